"""The normal tree, each process with its own role of the database: nobody is refused what it needs."""

import secrets
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import on_server
from ..faults.centre import Centre, step
from ..faults.detector import Detector
from ..faults.reckoning import rest
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer, free_ports, listening, wait_until
from .roles import Roles

STEPS = "\n".join(
    [
        step("salt", "salted", use="faults-write", owned_by="file"),
        step("place", "placed", makes="copy", owned_by="file", parcel=5),
        step("catalog", "cataloged", makes="nothing", parcel=10),
    ]
)
MEMBERS = (("conductor-0", "service"), ("sweeper-0", "service"), ("watch-0", "watcher"), ("web-0", "web"))
PAGES = ("/", "/status", "/metrics", "/healthz", "/api/v1/runs", "/api/v1/files", "/runs/1", "/sites", "/dead-letters")
WORDS = (
    ("hold", "run", "1", "--reason", "a look", "--yes"),
    ("release", "run", "1", "--reason", "looked", "--yes"),
    ("reset", "run", "1", "--to", "salted", "--reason", "again", "--yes"),
    ("run", "note", "1", "seen"),
    ("pause", "--step", "salt", "--reason", "a look", "--yes"),
    ("resume", "--step", "salt", "--reason", "looked", "--yes"),
)
"""What operators do; the web does the same by the same statements."""
REFUSED = "permission denied"


@pytest.fixture
def signed(postgres: PostgresServer, rabbit: RabbitServer, tmp_path: Path) -> Iterator[tuple[Centre, Roles, int]]:
    name = f"w{secrets.token_hex(4)}"
    on_server(postgres, f"CREATE DATABASE {name}")
    roles = Roles(tmp_path, postgres, postgres.url_of(name), name)
    (port,) = free_ports(1)
    centre = Centre(tmp_path / "centre", name, postgres, roles.url, rabbit, steps=STEPS, web_port=port)
    centre.config.write_text(centre.config.read_text() + roles.table)
    try:
        centre.upgrade()
        done = centre.command("db", "roles", "--apply", *roles.arguments)
        assert done.returncode == 0, done.stderr
        yield centre, roles, port
    finally:
        centre.close()
        rabbit.delete(f"{name}.")
        rabbit.delete_policies(f"{name}-")
        on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")
        roles.remove()


def test_a_tree_works_with_a_role_for_each_process(
    signed: tuple[Centre, Roles, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    centre, roles, port = signed
    for name, role in MEMBERS:
        centre.add(name, {"HEADFRAME_DATABASE__URL": roles.url_of(role)})
    centre.add("worker-0", {"HEADFRAME_DATABASE__URL": "postgresql://127.0.0.1:1/none"})
    detector = Detector(centre, 12, 0.05)
    detector.start()
    wait_until(lambda: bool(centre.value("select count(*) from item")), 120, "files arrive")
    files = detector.stop()
    rest(centre, files, 240)
    wait_until(lambda: listening(port), 120, "the pages are up")
    for page in PAGES:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=60) as answer:
            assert answer.status == 200, page
    monkeypatch.setenv("HEADFRAME_DATABASE__URL", roles.url_of("web"))
    for words in WORDS:
        done = centre.command(*words)
        assert REFUSED not in done.stderr, words
        assert done.returncode in (0, 1), f"{words}: {done.stderr}"
    monkeypatch.delenv("HEADFRAME_DATABASE__URL")
    rest(centre, files, 240)
    assert centre.value("select count(*) from history where trigger = 'reset'") > 0
    refused = {log.name: REFUSED for log in centre.folder.glob("*.log") if REFUSED in log.read_text(errors="replace")}
    assert not refused, centre.last_words()
    assert centre.command("verify").returncode == 0
