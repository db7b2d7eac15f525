"""The examples of docs/rest.md are run as they stand there, and answer what they say."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role
from headframe.statemachine.store.campaigns import Book
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from .access_help import LOOSE, make_token
from .servers import PostgresServer
from .web_filled import cloned, fill, pipeline

DOCUMENT = Path(__file__).parents[2] / "docs" / "rest.md"
PORT = 8080
"""Where the service of the document is."""


def examples() -> list[tuple[str, str]]:
    """Give each command of the document, of one line or several, and what stands below it."""
    found = []
    for block in re.findall(r"^```\n(\$ .*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.rstrip("\n").split("\n")
            ends = 1
            while "\n".join(lines[:ends]).count("'") % 2:
                ends += 1
            found.append(("\n".join(lines[:ends]), "\n".join(lines[ends:]).strip()))
    return found


@pytest.fixture
def service(postgres: PostgresServer, database_template: str, instance: str, tmp_path: Path) -> Iterator[str]:
    """Serve a small instance: eight runs of 60 files, SURF mounted here. Give what the shell has to know."""
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance)
        fill(engine, runs=8, files=60)
        _with_a_log(engine, tmp_path)
        settings = Settings(
            instance=instance, access=LOOSE, book=Book(pipelines={"science": pipeline()}, default=pipeline())
        )
        listener, stop = Listener(create_app(engine, settings), "127.0.0.1", 0), threading.Event()
        server = threading.Thread(target=listener.run, args=(stop,))
        server.start()
        token = make_token(engine, "run-control", Role.OPERATOR)[1]
        launcher = make_token(engine, "launcher", Role.LAUNCHER)[1]
        yield f"TOKEN={token}; LAUNCHER={launcher}; PORT={listener.port}"
        stop.set()
        server.join()
        engine.dispose()


REQUEST = re.compile(r',"request":"[0-9a-f]{16}"')
"""The id of a request, which is another one each time; the examples leave it out."""


def _with_a_log(engine: Engine, folder: Path) -> None:
    (folder / "2.log").write_text("a line before\nstep salt\nall is well\n")
    site = "insert into site (name, path) values ('SURF', :path) on conflict (name) do update set path = excluded.path"
    attempt = """insert into attempt (item_id, epoch, step, owner, host, started_at, ended_at, outcome, log_site, log,
        usage) values (2, 1, 'salt', 'w-1', 'node07', now(), now(), 'succeeded', 'SURF', '2.log',
        '{"wall_s": 64, "cpu_s": 48, "memory_peak": 325000000, "queue_s": 2.5}')"""
    with engine.begin() as connection:
        connection.execute(text(site), {"path": str(folder)})
        connection.execute(text(attempt))


def test_every_example_answers_what_the_document_says(service: str) -> None:
    ran = examples()
    assert sum("curl" in command for command, _ in ran) >= 10
    script, mark = [service], "=== next ==="
    for command, _ in ran:
        script += [command.replace(f":{PORT}", ":$PORT") + "; echo", f"echo '{mark}'"]
    shell = ["bash", "-c", "\n".join(script)]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=True, env={**os.environ})
    said = [each.strip() for each in done.stdout.split(mark)]
    for (command, wanted), got in zip(ran, said, strict=False):
        assert REQUEST.sub("", got) == wanted, command
