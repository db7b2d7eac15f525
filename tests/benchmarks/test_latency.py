"""From file closed to `arrived`, and on through four no-op steps, on a local disk with everything embedded."""

import statistics
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from headframe.daemon.up import Up

from ..integration.servers import wait_until
from .noop_tree import noop_tree

FILES = 12
ROUNDS = 12
TIMES = """
select f.sequence, extract(epoch from f.registered_at) as arrived, extract(epoch from i.changed_at) as done
from file f join item i on i.file_id = f.id join run on run.id = f.run_id where i.phase = 'done' and run.number = :run
"""


def test_a_closed_file_is_arrived_and_through_four_steps_sooner_than_any_polling_could(tmp_path: Path) -> None:
    """On a machine that others use too, nothing tighter can be asked for: scans, refills and sweeps take seconds."""
    _is_quick(tmp_path, arrived_s=1.0, through_s=2.0)


@pytest.mark.slow
def test_a_closed_file_is_arrived_within_50_ms_and_through_four_steps_150_ms_later(tmp_path: Path) -> None:
    """On a machine that has nothing else to do."""
    _is_quick(tmp_path, arrived_s=0.050, through_s=0.150)


def _is_quick(folder: Path, arrived_s: float, through_s: float) -> None:
    """Assert the medians of the best of some runs; the first that is quick enough is the last."""
    with noop_tree(folder, parcel=1) as up:
        _run(up, 999)
        arrived = through = float("inf")
        for number in range(1, 1 + ROUNDS):
            one_arrived, one_through = _run(up, number)
            arrived, through = min(arrived, one_arrived), min(through, one_through)
            if arrived < arrived_s and through < through_s:
                break
    assert arrived < arrived_s
    assert through < through_s


def _run(up: Up, run: int) -> tuple[float, float]:
    """Send a run; give the medians of the seconds from closed to arrived, and from there to the end."""
    closed = {}
    for sequence in range(1, FILES + 1):
        with (up.config.inbox_root("daq") / f"run{run}_{sequence}.raw").open("wb") as target:
            target.write(f"{run} {sequence}".encode())
        closed[sequence] = time.time()
        time.sleep(0.05)  # the pace of a detector, not a wait for something
    wait_until(lambda: len(_times(up, run)) == FILES, 90, f"all files of run {run} are through")
    rows = _times(up, run)
    arrived = statistics.median(float(row.arrived) - closed[row.sequence] for row in rows)
    through = statistics.median(float(row.done) - float(row.arrived) for row in rows)
    print(f"\nmedians: closed to arrived {1000 * arrived:.1f} ms, through four steps {1000 * through:.1f} ms")
    return arrived, through


def _times(up: Up, run: int) -> list[Any]:
    with up.engine.connect() as connection:
        return list(connection.execute(text(TIMES), {"run": run}).all())
