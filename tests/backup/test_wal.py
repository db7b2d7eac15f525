"""The recipe of WAL in docs/backup.md, run: base backup under load, all lost, recovered to the end and to a moment."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from ..conftest import on_server, started
from ..faults.centre import Centre
from ..faults.detector import Detector
from ..faults.reckoning import accepted_twice, lost_files, rest
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer, wait_until
from .disaster import DAEMONS, STEPS, WORKERS
from .wal import archived, archiving, base_backup, recover

PATIENCE_S = 400
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def server() -> Iterator[tuple[PostgresServer, Path]]:
    made, kept = archiving()
    started(lambda: made)
    yield made, kept
    made.remove()
    shutil.rmtree(kept)


@pytest.fixture
def centre(server: tuple[PostgresServer, Path], rabbit: RabbitServer, tmp_path: Path) -> Iterator[Centre]:
    postgres, _ = server
    on_server(postgres, "CREATE DATABASE wal")
    made = Centre(tmp_path / "centre", "wal", postgres, postgres.url_of("wal"), rabbit, steps=STEPS)
    made.upgrade()
    yield made
    made.close()
    rabbit.delete("wal.")
    rabbit.delete_policies("wal-")


@pytest.mark.parametrize("to", ["the end", "a moment"])
def test_a_server_that_is_lost_comes_back_from_its_wal(
    centre: Centre, server: tuple[PostgresServer, Path], to: str
) -> None:
    postgres, kept = server
    (centre.folder / "center" / "go").touch()
    for name in (*DAEMONS, *WORKERS):
        centre.add(name)
    detector = Detector(centre, 60, 0.1)
    detector.start()
    _until_done(centre, 5)
    base_backup(postgres, kept)
    _until_done(centre, _done(centre) + 5)
    moment: datetime = centre.value("select clock_timestamp()")
    at_moment = _done(centre)
    _until_done(centre, at_moment + 5)
    archived(postgres, kept)
    for name in WORKERS:
        centre.member(name).freeze(whole=True)
    for name in DAEMONS:
        centre.member(name).kill()
    postgres.kill()
    centre.engine.dispose()
    recover(postgres, kept, moment if to == "a moment" else None)
    back = _done(centre)
    assert back >= at_moment
    assert to == "the end" or back <= at_moment + 5
    wait_until(lambda: _recovered(centre), 60, "nobody counts as alive")
    for name in WORKERS:
        centre.member(name).thaw()
    for name in DAEMONS:
        centre.member(name).start()
    files = detector.stop()
    rest(centre, files, PATIENCE_S)
    assert lost_files(centre) == []
    assert accepted_twice(centre) == []
    verified = centre.command("verify", "--deep")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    print(
        f"\nWAL to {to}: {files} files, {at_moment} done at the moment, {back} after the recovery; verify --deep ends 0"
    )


def _done(centre: Centre) -> int:
    return int(centre.value("select count(*) from item where scope = 'file' and phase = 'done'"))


def _until_done(centre: Centre, number: int) -> None:
    wait_until(lambda: _done(centre) >= number, PATIENCE_S, f"{number} files done")


def _recovered(centre: Centre) -> bool:
    said = centre.command("db", "recovered", "--yes")
    assert said.returncode == 0 or "or were a moment ago" in said.stderr, said.stderr
    return said.returncode == 0
