"""Reports: what workers say becomes changes, accepted results, attempts, and a note of what came too late."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from ..interrupts import COUNTED, ESCALATED, POLITE
from ..lifecycle import Trigger, sources
from ..naming import attempt_name
from ..records import Outcome, Record, Usage
from .accept import accept
from .announced import other_content
from .core import Ready, Touched, execute, lock_items, ready_of
from .fold import Said, fold, of_trigger
from .folders import clean_order, order_orphans
from .quiet import quietly
from .share import give_way

ON_FEW_NODES = 4
"""How many times as many workers must die where there are too few nodes to tell an item's fault from a node's."""


class Stale(Record):
    """An attempt that is not the item's any more: its owner is told to drop it."""

    item: int
    epoch: int
    owner: str
    cause: str


class Applied(Record):
    """What a batch of reports did."""

    ready: tuple[Ready, ...] = ()
    touched: frozenset[tuple[int, int]] = frozenset()
    stale: tuple[Stale, ...] = ()
    changed: int = 0


class Batch:
    """One transaction's worth of reports, gathered while its rounds are applied."""

    def __init__(self, connection: Connection, actor: str) -> None:
        self.connection = connection
        self.actor = actor
        self.ready: dict[int, Ready] = {}
        self.passable: set[int] = set()
        self.touched: Touched = set()
        self.stale: list[Stale] = []
        self.changed = 0

    def round(self, entries: Sequence[Said]) -> None:
        """Apply one round, in which no item appears twice."""
        self._apply(of_trigger(entries, "start"), start)
        sound, other = other_content(self.connection, of_trigger(entries, "succeed"))
        self._apply(give_way(self.connection, sound), succeed)
        self._apply([*of_trigger(entries, "fail"), *other], fail)
        clean_unaccepted(self.connection, other)  # their workers think that they have succeeded, and leave it all
        self._apply(of_trigger(entries, "interrupt"), self._interrupt)

    def _interrupt(self, connection: Connection, said: Sequence[Said]) -> list[Row[Any]]:
        return interrupt(connection, [row_of(entry) for entry in said], self.actor)

    def _apply(self, said: list[Said], change: Callable[[Connection, Sequence[Said]], list[Row[Any]]]) -> None:
        if not said:
            return
        rows = change(self.connection, said)
        done = {(row.item, row.epoch) for row in rows}
        self.changed += len(done)
        record_attempts(self.connection, [entry for entry in said if entry.attempt[:2] in done])
        self._late([entry for entry in said if entry.attempt[:2] not in done])
        if said[0].outcome.trigger == "start":
            return
        self.touched |= {(row.run_id, row.campaign_id) for row in rows}
        if said[0].outcome.trigger == "succeed":  # the others wait for a while; the refiller finds them when due
            self.ready |= {entry.item: entry for entry in ready_of(rows)}
            self.passable |= {row.item for row in rows if row.passable}

    def _late(self, said: list[Said]) -> None:
        rows = execute(self.connection, "insert_late", [_late_row(entry) for entry in said])
        self.stale += [Stale(**row._mapping) for row in rows]
        clean_unaccepted(self.connection, said)


def apply_reports(
    connection: Connection, said: Iterable[Said], actor: str = "conductor", *, locked: bool = False
) -> Applied:
    """Apply reports in queue order. What does not match the present epoch and owner changes nothing.

    `locked`: the caller has locked the items.
    """
    entries = list(said)
    if not entries:
        return Applied()
    if not locked:
        lock_items(connection, [entry.outcome.item for entry in entries])
    batch = Batch(connection, actor)
    for round_ in fold(entries):
        batch.round(round_)
    return Applied(
        ready=tuple(quietly(connection, list(batch.ready.values()), batch.passable)),
        touched=frozenset(batch.touched),
        stale=tuple(batch.stale),
        changed=batch.changed,
    )


def start(connection: Connection, said: Sequence[Said]) -> list[Row[Any]]:
    """Ready, submitted -> executing: an owner is named and its lease begins."""
    return execute(connection, "start", map(row_of, said), sources=list(sources(Trigger.START)))


def succeed(connection: Connection, said: Sequence[Said]) -> list[Row[Any]]:
    """Ready, submitted, executing -> next state, and what the attempts made is accepted."""
    rows = execute(connection, "succeed", map(row_of, said), sources=list(sources(Trigger.SUCCEED)))
    results = {entry.attempt[:2]: entry.outcome for entry in said}
    accepted = [(row, results[row.item, row.epoch]) for row in rows]
    accept(connection, accepted)
    order_orphans(connection, accepted)
    return rows


def fail(connection: Connection, said: Sequence[Said]) -> list[Row[Any]]:
    """Ready, submitted, executing -> ready after a wait while the retry budget lasts, then failed."""
    return execute(connection, "fail", map(row_of, said), sources=list(sources(Trigger.FAIL)))


def interrupt(connection: Connection, rows: Sequence[dict[str, Any]], actor: str) -> list[Row[Any]]:
    """Submitted, executing -> ready after a wait: the infrastructure was at fault, not the data."""
    return execute(
        connection,
        "interrupt",
        rows,
        sources=list(sources(Trigger.INTERRUPT)),
        counted=list(COUNTED),
        escalated=list(ESCALATED),
        polite=list(POLITE),
        few=ON_FEW_NODES,
        actor=actor,
    )


def renew(connection: Connection, beats: Iterable[tuple[int, int, str]]) -> list[Stale]:
    """Renew the leases of (item, epoch, owner); give those that are no longer the owner's.

    Two workers may beat for one epoch: only its owner goes on. A beat that overtook its start is left in peace.
    """
    wanted = {(item, epoch, owner) for item, epoch, owner in beats}
    rows = [{"item": item, "epoch": epoch, "owner": owner} for item, epoch, owner in sorted(wanted)]
    current = [*execute(connection, "renew", rows), *execute(connection, "beats_ahead", rows)]
    renewed = {(row.item, row.epoch, row.owner) for row in current}
    return [
        Stale(item=item, epoch=epoch, owner=owner, cause="stale-heartbeat")
        for item, epoch, owner in sorted(wanted)
        if (item, epoch, owner) not in renewed
    ]


def row_of(said: Said) -> dict[str, Any]:
    """Give one outcome as the row that the store's statements read."""
    outcome, reporter = said.outcome, said.reporter
    return {
        "item": outcome.item,
        "epoch": outcome.epoch,
        "owner": reporter.owner,
        "host": reporter.host,
        "job": reporter.job,
        "log": outcome.log.path if outcome.log else "",
        "reason_code": outcome.reason_code,
        "reason": outcome.reason,
        "permanent": outcome.permanent,
        "skipped": outcome.skipped,
    }


OUTCOMES = {"start": "running", "succeed": "succeeded", "fail": "failed", "interrupt": "interrupted"}


def record_attempts(connection: Connection, said: Sequence[Said]) -> None:
    """Write the attempts down: begun by a start, whole by an end."""
    execute(connection, "insert_attempts", [_attempt_row(entry) for entry in said])


def clean_unaccepted(connection: Connection, said: Sequence[Said]) -> None:
    """Order the removal of folders whose result came too late, never of one that was accepted."""
    late = {
        (*entry.attempt, entry.outcome.folder.path): entry
        for entry in said
        if entry.outcome.folder is not None and entry.outcome.trigger != "start"
    }
    rows = [
        {"item": item, "epoch": epoch, "owner": owner, "path": path, "name": attempt_name(epoch, owner)}
        for item, epoch, owner, path in late
    ]
    accepted = {(row.item, row.epoch, row.owner, row.path) for row in execute(connection, "accepted_folders", rows)}
    orders = [order for key, entry in late.items() if key not in accepted for order in _clean_orders(entry.outcome)]
    execute(connection, "insert_settle", orders)


def _clean_orders(outcome: Outcome) -> list[dict[str, Any]]:
    folder = outcome.folder
    if folder is None:
        return []
    sites = {folder.site, *(copy.location.site for copy in outcome.copies)}
    return [clean_order(site, folder.path) for site in sorted(sites)]


def _late_row(said: Said) -> dict[str, Any]:
    return {
        "item": said.outcome.item,
        "epoch": said.outcome.epoch,
        "owner": said.reporter.owner,
        "trigger": said.outcome.trigger,
        "host": said.reporter.host,
        "reason": said.outcome.reason,
    }


def _attempt_row(said: Said) -> dict[str, Any]:
    outcome, reporter = said.outcome, said.reporter
    usage = outcome.usage
    return {
        "item": outcome.item,
        "epoch": outcome.epoch,
        "step": outcome.step,
        "owner": reporter.owner,
        "host": reporter.host,
        "job": reporter.job,
        "started_at": outcome.started_at,
        "outcome": "skipped" if outcome.skipped else OUTCOMES[outcome.trigger],
        "reason_code": outcome.reason_code,
        "reason": outcome.reason,
        "log_site": outcome.log.site if outcome.log else "",
        "log": outcome.log.path if outcome.log else "",
        "usage": _used(usage) if usage else {},
    }


def _used(usage: Usage) -> dict[str, float]:
    """Give what is known of what an attempt used. Of one that was killed or has just begun, only how long it waited."""
    known = {"queue_s": usage.queue_s}
    if usage.wall_s:
        known |= {"wall_s": usage.wall_s, "cpu_s": usage.cpu_s, "memory_peak": usage.memory_peak}
    return known
