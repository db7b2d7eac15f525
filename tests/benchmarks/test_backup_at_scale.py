"""A backup of a million files: what it takes, what a restore takes and where, and what live files feel of it."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from headframe.daemon.backup import restore
from headframe.statemachine.database import connect, upgrade

from ..conftest import on_server, started
from ..integration.cli_help import Ended, headframe
from ..integration.servers import PostgresServer
from . import scale
from .test_week import writing

INSTANCE = "headframe"
SERVER = {
    "shared_buffers": "2GB",
    "max_wal_size": "4GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}
"""As somebody has it who keeps WAL archives or standbys: the log of changes is written whole."""
TICKS = os.sysconf("SC_CLK_TCK")
ALONE_S = 10.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    made = started(lambda: PostgresServer(SERVER))
    yield made
    made.remove()


@pytest.mark.long
def test_4000_files_backed_up_and_restored(server: PostgresServer, tmp_path: Path) -> None:
    show(server, tmp_path, runs=40, a_run=100, alone_s=0.5)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("thousands", [100, 1000], ids=["100k", "1000k"])
def test_many_files_backed_up_and_restored(server: PostgresServer, tmp_path: Path, thousands: int) -> None:
    show(server, tmp_path, runs=thousands, a_run=1000, alone_s=ALONE_S)


def show(server: PostgresServer, folder: Path, runs: int, a_run: int, alone_s: float) -> None:
    """Fill, back up beside live files and alone, restore elsewhere, recover, verify; tell what each took."""
    print()
    full, fresh = (_config(server, folder, name) for name in ("year", "fresh"))
    engine = connect(server.url_of("year"), INSTANCE)
    upgrade(engine, INSTANCE)
    with taking(server, "fill"):
        made = scale.fill(engine, runs, a_run, tell=lambda _: None)
    print(f"{made.files:,} files: {_size(engine, 'year') / 1e6:,.0f} MB in PostgreSQL")
    _beside(server, engine, full, folder / "beside", alone_s)
    items = _items(engine)
    engine.dispose()
    with taking(server, "backup, alone"):
        said = _ended(headframe(full, "backup", "--to", str(folder / "backups")))
    print(said.out.splitlines()[-1])
    with taking(server, "restore"), parts_of_a_restore(server):
        _ended(headframe(fresh, "restore", str(folder / "backups")))
    with taking(server, "db recovered"):
        said = _ended(headframe(fresh, "db", "recovered", "--yes"))
    assert f"{items:,} items have new epochs" in said.out
    with taking(server, "verify"):
        _ended(headframe(fresh, "verify"))


def _config(server: PostgresServer, folder: Path, name: str) -> Path:
    on_server(server, f"CREATE DATABASE {name}")
    config = folder / f"{name}.toml"
    config.write_text(f'instance = "{INSTANCE}"\n[database]\nurl = "{server.url_of(name)}"\n')
    return config


def _ended(said: Ended) -> Ended:
    assert said.code == 0, said.out[-2000:] + said.err[-2000:]
    return said


def _size(engine: Engine, name: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("select pg_database_size(:name)"), {"name": name}).scalar_one())


def _items(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("select count(*) from item")).scalar_one())


def _beside(server: PostgresServer, engine: Engine, config: Path, to: Path, alone_s: float) -> None:
    """Let a conductor take two files at a time, first alone, then while a backup is taken."""
    with writing(engine) as alone:
        time.sleep(alone_s)
    command = [sys.executable, "-m", "headframe", "--config", str(config), "backup", "--to", str(to)]
    with writing(engine) as beside, taking(server, "backup, beside live files"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [
        f"median {statistics.median(each):.0f} ms, worst {max(each):.0f} ms of {len(each)}" for each in (alone, beside)
    ]
    print(f"18 changes of two files: {told[0]}; while a backup is taken: {told[1]}")


@contextmanager
def taking(server: PostgresServer, what: str, tell: Callable[[str], object] = print) -> Iterator[None]:
    """Tell what something took: by the clock, and computed by servers and programs, which others spoil less."""
    began, before = time.monotonic(), _computed(server)
    yield
    seconds, computed = time.monotonic() - began, _computed(server) - before
    tell(f"{what}: {seconds:.1f} s by the clock, {computed:.1f} s computed (load {os.getloadavg()[0]:.0f})")


def _computed(server: PostgresServer) -> float:
    """Give the seconds on a core of the server with all that it has started, this process and its programs."""
    assert server.process is not None
    of_us = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return _of_server(server.process.pid) + sum(each.ru_utime + each.ru_stime for each in of_us)


def _of_server(postmaster: int) -> float:
    """Sum what its sessions took: those that have ended are in the postmaster's own line."""
    total = sum(_times(postmaster))
    for line in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(line.read_text().rpartition(")")[2].split()[1])
            total += sum(_times(int(line.parent.name))) if parent == postmaster else 0.0
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return total


def _times(pid: int) -> list[float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(fields[number]) / TICKS for number in range(11, 15)]


@contextmanager
def parts_of_a_restore(server: PostgresServer) -> Iterator[None]:
    """Tell what each part of it takes, at its end: what is printed meanwhile is the command's."""
    lines: list[str] = []
    names = {
        "check_bytes": "- bytes checked",
        "_run": "- pg_restore",
        "_analyze": "- statistics",
        "restored": "- epochs",
    }
    before: dict[str, Callable[..., Any]] = {name: getattr(restore, name) for name in names}

    def told(name: str) -> Callable[..., Any]:
        def do(*given: Any, **named: Any) -> Any:
            with taking(server, names[name], lines.append):
                return before[name](*given, **named)

        return do

    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(restore, name, told(name))
        yield
    print("\n".join(lines))
