"""Applies a sorted batch in one transaction, and lets the touched runs follow in a second."""

import os
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Engine

from ... import __version__
from ...consumers.messages import Report
from ...statemachine.records import PilotWord, Record, Trouble
from ...statemachine.store.announced import items_announced
from ...statemachine.store.arrivals import register
from ...statemachine.store.campaigns import Book
from ...statemachine.store.core import Ready, Touched, execute, lock_items
from ...statemachine.store.dead import bury
from ...statemachine.store.gather import RunMoved, gather
from ...statemachine.store.pauses import Told, WorkerSeen, to_tell
from ...statemachine.store.pilots_heard import heard
from ...statemachine.store.pin import hold_runs, items_to_pin
from ...statemachine.store.reports import Stale, apply_reports, renew
from ...statemachine.store.runs import campaigns_of, inform
from ...statemachine.store.settling import Unsettled, settled
from ...statemachine.store.sweep import Mark, mark_applied
from .sorting import Sorted


class Effects(Record):
    """What a batch led to: work to send, owners and workers to tell, runs that may move, runs that moved, settle work
    that could not be done.

    `reported`: workers have begun or ended something, so that more may go out to them.
    """

    ready: tuple[Ready, ...] = ()
    stale: tuple[Stale, ...] = ()
    told: tuple[Told, ...] = ()
    touched: frozenset[tuple[int, int]] = frozenset()
    moved: tuple[RunMoved, ...] = ()
    unsettled: tuple[Unsettled, ...] = ()
    reported: bool = False

    def joined(self, other: "Effects") -> "Effects":
        """Give both effects as one."""
        return Effects(
            ready=self.ready + other.ready,
            stale=self.stale + other.stale,
            told=self.told + other.told,
            touched=self.touched | other.touched,
            moved=self.moved + other.moved,
            unsettled=self.unsettled + other.unsettled,
            reported=self.reported or other.reported,
        )


def apply(connection: Connection, batch: Sorted, book: Book, reign: str = "") -> Effects:
    """Apply a batch in the caller's transaction. Locks runs in one go, then items, so that conductors never cross.

    `reign` names who took the batch.
    """
    touched: Touched = set()
    untyped = hold_runs(connection, [*(info.run for info in batch.runs), *(file.run for file in batch.files)])
    pinned = items_to_pin(connection, untyped.intersection(_typed(batch)))
    lock_items(connection, [*_spoken_of(batch), *pinned, *items_announced(connection, batch.runs)])
    troubles: list[Trouble] = []
    for info in batch.runs:
        troubles += inform(connection, info, book)
        touched |= campaigns_of(connection, info.run)
    # Troubles first: a file that has come since is no trouble any more.
    bury(connection, [*troubles, *batch.troubles])
    arrived = register(connection, batch.files, book, held=True)
    bury(connection, arrived.troubles)
    reports = apply_reports(connection, batch.said, locked=True)
    stale = [*reports.stale, *renew(connection, batch.beats)]
    unsettled = settled(connection, [(entry.id, entry.done, entry.error) for entry in batch.settled])
    told = see(connection, batch.workers.values())
    heard(connection, batch.pilots)
    mark_applied(connection, _marks(batch, reign))
    return Effects(
        ready=(*arrived.ready, *reports.ready),
        stale=tuple(stale),
        told=tuple(told),
        touched=frozenset(touched) | arrived.touched | reports.touched,
        unsettled=unsettled,
        reported=bool(batch.said),
    )


def follow(engine: Engine, effects: Effects) -> Effects:
    """Let the runs that a batch touched move with their files, in a transaction that sees all other commits."""
    if not effects.touched:
        return Effects()
    with engine.begin() as connection:
        gathered = gather(connection, effects.touched)
    return Effects(ready=gathered.ready, moved=gathered.moved)


def _spoken_of(batch: Sorted) -> list[int]:
    """Give the items that a batch reports on."""
    return [*(entry.outcome.item for entry in batch.said), *(item for item, _, _ in batch.beats)]


def _typed(batch: Sorted) -> list[int]:
    """Give the numbers of the runs whose type a batch names."""
    named = [*((info.run, info.kind) for info in batch.runs), *((file.run, file.kind) for file in batch.files)]
    return [run for run, kind in named if kind is not None]


def _marks(batch: Sorted, reign: str) -> list[Mark]:
    """Give the newest markers; over another channel it is another reign."""
    return [
        Mark(lane=lane, sent_at=marker.sent_at, reign=f"{reign}.{session}")
        for lane, (marker, session) in batch.marks.items()
    ]


def _seen(report: Report) -> WorkerSeen:
    reporter = report.reporter
    return WorkerSeen(owner=reporter.owner, name=reporter.worker, halted=report.halted, host=reporter.host)


def see(connection: Connection, reports: Collection[Report]) -> list[Told]:
    """Write down which workers and pilots were heard of; give what workers have to be told."""
    paused = execute(connection, "see_process", [_process_row(report) for report in reports])
    workers = [_seen(report) for report in reports if report.pilot is None]
    return to_tell(workers, ((row.what, row.name) for row in paused))


def see_self(connection: Connection, owner: str, role: str, host: str, detail: dict[str, Any]) -> None:
    """Write down that this process is alive."""
    row = {"owner": owner, "role": role, "host": host, "pid": os.getpid(), "version": __version__, "detail": detail}
    execute(connection, "see_process", [row])


def _process_row(report: Report) -> dict[str, Any]:
    reporter = report.reporter
    return {
        "owner": reporter.owner,
        "role": "worker" if report.pilot is None else "pilot",
        "host": reporter.host,
        "pid": None,
        "version": reporter.version,
        "detail": _worker_detail(report) if report.pilot is None else _pilot_detail(report, report.pilot),
    }


def _worker_detail(report: Report) -> dict[str, Any]:
    reporter = report.reporter
    return {
        "steps": report.steps,
        "lanes": report.lanes,
        "job": reporter.job,
        "draining": report.draining,
        "halted": report.halted,
        "name": reporter.worker,
        "busy": len(report.beats),
        **({"pilot": reporter.pilot} if reporter.pilot else {}),
    }


def _pilot_detail(report: Report, word: PilotWord) -> dict[str, Any]:
    return {
        "name": report.reporter.worker,
        "pilot": word.token,
        "job": word.job,
        "draining": word.what != "running",
        "workers": word.workers,
    }
