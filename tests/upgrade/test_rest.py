"""REST between releases: the last one's client and launcher ask this one's web, and the reverse."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role

from ..integration.access_help import make_token
from ..integration.servers import Process, free_ports, wait_until
from ..integration.web_filled import fill
from .release import Release

ASKING = Path(__file__).parent / "asking.py"


@contextmanager
def serving(release: Release, folder: Path, database: str, instance: str) -> Iterator[str]:
    """Run the web of a release over a database; give its address."""
    (port,) = free_ports(1)
    config = folder / f"{release.version}.toml"
    config.write_text(f'instance = "{instance}"\n[database]\nurl = "{database}"\n[web]\nport = {port}\n')
    steps = 'name = "catalog"\nto = "cataloged"\nmakes = "nothing"\n'
    config.write_text(f"{config.read_text()}[[pipeline.default.step]]\n{steps}")
    line = [sys.executable, "-m", "headframe", "--config", str(config), "web"]
    web = Process(line, release.environment(), folder / f"{release.version}.log", folder)

    def well() -> bool:
        try:
            return web.running() and urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").status == 200
        except OSError:
            return False

    try:
        wait_until(well, 60, f"web {release.version} answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        web.end(signal.SIGTERM)


def ask(release: Release, url: str, *words: object) -> Any:
    """Have the client of a release ask all that it can; give how much it got of each."""
    line = [sys.executable, str(ASKING), url, *map(str, words)]
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=120, env=release.environment(), cwd=os.sep
    )
    assert done.returncode == 0, f"client {release.version}: {done.stderr}"
    return json.loads(done.stdout)


def test_the_clients_and_webs_of_two_releases_understand_each_other(
    database_url: str, instance: str, tmp_path: Path, old: Release, new: Release
) -> None:
    engine = connect(database_url, instance)
    filled = fill(engine, runs=6, files=20)
    tokens = [make_token(engine, role.value, role)[1] for role in (Role.OPERATOR, Role.LAUNCHER)]
    engine.dispose()
    got = []
    for run, (asks, serves) in enumerate([(old, new), (new, old)], start=filled.first):
        with serving(serves, tmp_path, database_url, instance) as url:
            got.append(ask(asks, url, *tokens, run))
    assert got[0].pop("pilots") + 1 == got[1].pop("pilots"), "each has seen what the other wrote"
    assert got[0] == got[1]
