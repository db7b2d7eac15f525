"""The disaster: a backup under load, then the database's machine and the broker's are lost wholly, in mid-work."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..conftest import on_server
from ..faults.centre import Centre, step
from ..faults.detector import Detector
from ..faults.reckoning import accepted_twice, leftovers, lost_files, rest
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer, wait_until

STEPS = "\n".join(
    [
        step("salt", "salted", use="faults-write", owned_by="file"),
        step("place", "placed", makes="copy", owned_by="file", parcel=5),
        step("reconstruct", "reconstructed", use="faults-linger"),
        step("catalog", "cataloged", makes="nothing", parcel=10),
    ]
)
DAEMONS = ("conductor-0", "sweeper-0", "watch-0")
WORKERS = ("worker-0", "worker-1")
HELD = "select count(*) from item where step = 'reconstruct' and phase = 'executing'"
DONE = "select count(*) from item where scope = 'file' and phase = 'done'"


class Size(NamedTuple):
    """How much: files at least, one each `pace_s`, done before and after the backup; patience."""

    files: int
    pace_s: float
    before: int
    after: int
    patience_s: float


@contextmanager
def centre_of(folder: Path, postgres: PostgresServer, rabbit: RabbitServer) -> Iterator[Centre]:
    """Give a centre on servers of its own."""
    on_server(postgres, "CREATE DATABASE disaster")
    centre = Centre(folder, "lost", postgres, postgres.url_of("disaster"), rabbit, steps=STEPS)
    try:
        centre.upgrade()
        yield centre
    finally:
        centre.close()


def strike(centre: Centre, size: Size) -> str:
    """Let it happen, restore, and see that nothing is missing; give a line about it."""
    for name in (*DAEMONS, *WORKERS):
        centre.add(name)
    detector = Detector(centre, size.files, size.pace_s)
    detector.start()
    backups, go = centre.folder / "backups", centre.folder / "center" / "go"
    go.touch()
    wait_until(lambda: _done(centre) >= size.before, size.patience_s, "there is something to back up")
    said = centre.command("backup", "--to", str(backups))
    assert said.returncode == 0, said.stderr
    at_backup = _done(centre)
    wait_until(
        lambda: _done(centre) >= at_backup + size.after, size.patience_s, "work that the backup knows nothing of"
    )
    go.unlink()
    wait_until(lambda: centre.value(HELD), size.patience_s, "a worker that will speak of the lost time")
    lost = _destroy(centre)
    go.touch()
    began = time.monotonic()
    _bring_back(centre, backups)
    restored = time.monotonic() - began
    files = detector.stop()
    rested = rest(centre, files, size.patience_s)
    _check(centre)
    late = centre.value("select count(*) from late where cause in ('stale-epoch', 'unknown-item')")
    assert late, "the workers that outlived it have said nothing"
    return (
        f"disaster: {files} files; backup with {at_backup} done, {lost} done when all was lost; restored in "
        f"{restored:.1f} s, at rest {rested:.1f} s later; {late} late reports, {len(leftovers(centre))} folders of the "
        f"lost time are left; 0 files lost, 0 accepted twice"
    )


def _done(centre: Centre) -> int:
    return int(centre.value(DONE))


def _destroy(centre: Centre) -> int:
    """Lose daemons, database and broker with all they have. The workers stand still, and go on as if nothing was."""
    done = _done(centre)
    for name in WORKERS:
        centre.member(name).freeze(whole=True)
    for name in DAEMONS:
        centre.member(name).kill()
    centre.postgres.kill()
    shutil.rmtree(centre.postgres.folder / "data")
    centre.engine.dispose()
    centre.rabbit.wipe()
    return done


def _bring_back(centre: Centre, backups: Path) -> None:
    centre.postgres.start()
    on_server(centre.postgres, "CREATE DATABASE disaster")
    said = centre.command("restore", str(backups))
    assert said.returncode == 0, said.stdout + said.stderr
    print(said.stdout)
    centre.upgrade()
    for name in WORKERS:
        centre.member(name).thaw()
    for name in DAEMONS:
        centre.member(name).start()


def _check(centre: Centre) -> None:
    assert lost_files(centre) == []
    assert accepted_twice(centre) == []
    for words in (("verify",), ("verify", "--deep")):
        verified = centre.command(*words, timeout_s=1800)
        assert verified.returncode == 0, verified.stdout[-3000:] + verified.stderr[-3000:]
