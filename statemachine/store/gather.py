"""A run's own item: it moves on when its files got there, and back when they no longer are.

Called in a transaction of its own, after the one that changed files: it locks the run rows first, so whoever
comes second sees all that the others committed, and the last file always takes its run along. What may take a run
back marks it (`rewind`) in the transaction that changes files, so that a crash before this one is repaired.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, text

from ..lifecycle import KEPT
from ..pipeline import Pipeline
from ..records import Record
from .accept import retire
from .campaigns import file_rank, load_pipeline
from .core import Ready, execute, ready_of
from .folders import order_cleaning

_BACK = "its files are no longer all there"

# An operator or a worker may be changing a run's item just now: without the lock, its move would be lost in silence.
_LOCK_ITEMS = "select id from item where run_id = any(:ids) and scope = 'run' order by id for no key update"


class RunMoved(Record):
    """A run reached (or fell back to) a state: what public events tell."""

    run: int
    kind: str
    campaign: str
    state: str
    trigger: str


class Gathered(Record):
    """What the runs did."""

    moved: tuple[RunMoved, ...] = ()
    ready: tuple[Ready, ...] = ()


def gather(connection: Connection, touched: Iterable[tuple[int, int]], *, also_open: bool = False) -> Gathered:
    """Move the items of these (run, campaign) pairs to where their files are.

    A run that is not closed stays where it is, so its files' changes need not look; only what opens a run
    (`also_open`) has to take it back.
    """
    wanted = set(touched)
    locked, rewound = _lock_runs(connection, {run for run, _ in wanted}, also_open)
    pairs = sorted({pair for pair in wanted if pair[0] in locked} | _in_all_campaigns(connection, rewound))
    if not pairs:
        return Gathered()
    moved: list[RunMoved] = []
    ready: list[Ready] = []
    connection.execute(text(_LOCK_ITEMS), {"ids": [run for run, _ in pairs]})
    for row in _run_items(connection, pairs):
        pipeline = load_pipeline(connection, row.pipeline_id)
        _move(connection, row, pipeline, moved, ready)
    execute(connection, "gathered", ids=rewound)
    return Gathered(moved=tuple(moved), ready=tuple(ready))


def rewind(connection: Connection, runs: Iterable[int]) -> None:
    """Mark closed runs whose files have changed: until they are gathered, what was made of them may be older.

    In the transaction that changes the files, after the runs' rows were locked: runs come before items.
    """
    wanted = sorted(set(runs))
    if wanted:
        execute(connection, "rewind", ids=wanted)


def lock_runs(connection: Connection, runs: Iterable[int]) -> None:
    """Lock runs by their ids, in order."""
    statement = text("select id from run where id = any(:ids) order by id for no key update")
    connection.execute(statement, {"ids": sorted(set(runs))})


def reached(pipeline: Pipeline, row: Row[Any]) -> int:
    """Give the rank of the state that a run's files allow it: 0 until all that was announced is there.

    `row.slowest` is the lowest rank of a file that is not abandoned, `row.slowest_alive` leaves the failed out;
    none where there is no such file.
    """
    last = file_rank(pipeline)
    if row.closed_at is None or row.expected is None or row.registered + row.waived != row.expected:
        return 0
    if row.slowest is None or row.slowest >= last:
        return last
    first_run_step = pipeline.steps[last] if len(pipeline.steps) > last else None
    if first_run_step is not None and first_run_step.accepts_failed:
        # Done files count as further than any rank, so the last rank is the most that is given.
        return last if row.slowest_alive is None or row.slowest_alive >= last else int(row.slowest)
    return int(row.slowest)


def _lock_runs(connection: Connection, runs: set[int], also_open: bool) -> tuple[set[int], list[int]]:
    """Lock those runs that may move; give them, and which of them were marked by `rewind`."""
    statement = text(
        "select id, rewound_at from run where id = any(:ids) and (closed_at is not null or :also_open) "
        "order by id for no key update"
    )
    rows = connection.execute(statement, {"ids": sorted(runs), "also_open": also_open}).all()
    return {row.id for row in rows}, [row.id for row in rows if row.rewound_at is not None]


def _in_all_campaigns(connection: Connection, runs: list[int]) -> set[tuple[int, int]]:
    """The mark is the run's, not a campaign's: it goes when the run has been gathered in all of them."""
    if not runs:
        return set()
    statement = text("select run_id, campaign_id from item where run_id = any(:ids) and scope = 'run'")
    return {(row.run_id, row.campaign_id) for row in connection.execute(statement, {"ids": runs})}


def _run_items(connection: Connection, pairs: list[tuple[int, int]]) -> list[Row[Any]]:
    rows = [{"run_id": run, "campaign_id": campaign} for run, campaign in pairs]
    return execute(connection, "run_progress", rows)


def _move(connection: Connection, row: Row[Any], pipeline: Pipeline, moved: list[RunMoved], ready: list[Ready]) -> None:
    allowed = reached(pipeline, row)
    present = pipeline.rank(row.state)
    version = row.version
    if present > allowed and (present <= file_rank(pipeline) or allowed < file_rank(pipeline)):
        _retreat(connection, row, pipeline, allowed, moved)
        return
    if row.phase != "waiting":
        return
    while present < allowed:
        present += 1
        version = _step(connection, row, pipeline, present, version, moved, ready)


def _step(
    connection: Connection,
    row: Row[Any],
    pipeline: Pipeline,
    rank: int,
    version: int,
    moved: list[RunMoved],
    ready: list[Ready],
) -> int:
    state = pipeline.states[rank]
    step = pipeline.steps[rank] if rank == file_rank(pipeline) and rank < len(pipeline.steps) else None
    phase = "ready" if step else ("done" if rank == len(pipeline.states) - 1 else "waiting")
    change = {"state": state, "phase": phase, "step": step.name if step else None, "trigger": "gather"}
    rows = _write(connection, row, version, change, "its files got there")
    if step is not None:
        execute(connection, "pin_left_out", ids=[made.item for made in rows])
    ready += ready_of(rows)
    moved += [_told(row, state, "gather") for _ in rows]
    return version + 1


def _retreat(connection: Connection, row: Row[Any], pipeline: Pipeline, allowed: int, moved: list[RunMoved]) -> None:
    """Take a run back. An operator's hold survives: only a release ends it, and then the run waits for its files."""
    state = pipeline.states[allowed]
    phase = row.phase if row.phase in KEPT else "waiting"
    change = {"state": state, "phase": phase, "step": None, "trigger": "retreat"}
    rows = _write(connection, row, row.version, change, _BACK)
    run_steps = [step.name for step in pipeline.steps if step.scope == "run"]
    old = [{"item": row.id, "step": step, "keep_epoch": None, "reason": "the run moved back"} for step in run_steps]
    retire(connection, execute(connection, "supersede_products", old))
    _take_away(connection, [left for left in rows if left.was_owner])
    moved += [_told(row, state, "retreat") for _ in rows]


def _take_away(connection: Connection, rows: list[Row[Any]]) -> None:
    """End the attempts that ran for a run which moved back; their owners learn it from their next heartbeat."""
    ended = [
        {"item": r.item, "epoch": r.was_epoch, "outcome": "cancelled", "reason_code": "retreat", "reason": _BACK}
        for r in rows
    ]
    execute(connection, "end_attempts", ended)
    order_cleaning(connection, [(r.item, r.was_epoch, r.was_step, r.was_owner) for r in rows])


def _write(connection: Connection, row: Row[Any], version: int, change: dict[str, Any], reason: str) -> list[Row[Any]]:
    return execute(connection, "gather", [{"item": row.id, "version": version, "reason": reason, **change}])


def _told(row: Row[Any], state: str, trigger: str) -> RunMoved:
    return RunMoved(run=row.number, kind=row.kind or "unknown", campaign=row.campaign, state=state, trigger=trigger)
