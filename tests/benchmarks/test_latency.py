"""From file closed to `arrived`, and on through four no-op steps, on a local disk with everything embedded."""

import statistics
import time
from pathlib import Path

from sqlalchemy import text

from .noop_tree import noop_tree

FILES = 60
TIMES = """
select extract(epoch from f.registered_at) as arrived,
  extract(epoch from i.changed_at) as done, f.sequence
from file f join item i on i.file_id = f.id where i.phase = 'done' order by f.sequence
"""


def test_a_closed_file_is_arrived_within_50_ms_and_through_four_steps_150_ms_later(tmp_path: Path) -> None:
    with noop_tree(tmp_path, parcel=1) as up:
        inbox = up.config.inbox_root("daq")
        _send(up, inbox, 999, 5)
        closed = _send(up, inbox, 1, FILES)
        with up.engine.connect() as connection:
            rows = connection.execute(text(TIMES)).all()
    mine = [row for row in rows if row.sequence > 1000]
    arrived = [float(row.arrived) - closed[row.sequence] for row in mine]
    through = [float(row.done) - float(row.arrived) for row in mine]
    print(f"\nclosed to arrived: median {1000 * statistics.median(arrived):.1f} ms, worst {1000 * max(arrived):.1f} ms")
    print(f"through four steps: median {1000 * statistics.median(through):.1f} ms, worst {1000 * max(through):.1f} ms")
    assert len(mine) == FILES
    assert statistics.median(arrived) < 0.050
    assert statistics.median(through) < 0.150


def _send(up: object, inbox: Path, run: int, files: int) -> dict[int, float]:
    closed = {}
    base = 1000 if run == 1 else 0
    for number in range(1, files + 1):
        path = inbox / f"run{run}_{base + number}.raw"
        with path.open("wb") as target:
            target.write(f"{run} {number}".encode())
        closed[base + number] = time.time()
        time.sleep(0.05)  # the pace of a detector, not a wait for something
    before = 5 if run == 1 else 0
    _until(up, lambda: _done(up) >= before + files)
    return closed


def _done(up: object) -> int:
    with up.engine.connect() as connection:  # type: ignore[attr-defined]
        statement = text("select count(*) from item where phase = 'done' and scope = 'file'")
        return int(connection.execute(statement).scalar_one())


def _until(up: object, condition: object) -> None:
    end = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "not all files got through"
        time.sleep(0.02)
