"""What pods run to say how they are: commands that answer, also where the number that a pod runs as has no name."""

import os
import subprocess

import pytest
from sqlalchemy import make_url

from ..integration.servers import PostgresServer, find_postgres
from .test_policy import manifests

NOBODY_IN_PARTICULAR = ["setpriv", "--reuid=1234567", "--regid=0", "--clear-groups"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody without a name")


def asked(probe: str, port: int) -> int:
    """Run what PostgreSQL's pod is asked by, against a server at this port; give its exit code."""
    command = manifests("spin").pod("postgres").spec["containers"][0][probe]["exec"]["command"]
    variables = {"PATH": f"{find_postgres()}:/usr/bin:/bin", "PGPORT": str(port)}
    return subprocess.run([*NOBODY_IN_PARTICULAR, *command], check=False, env=variables, timeout=30).returncode


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_a_server_that_is_there_is_found_by_any_user(probe: str, postgres: PostgresServer) -> None:
    assert asked(probe, make_url(postgres.url).port or 0) == 0


def test_a_server_that_is_away_is_missed() -> None:
    assert asked("readinessProbe", 1) == 2
