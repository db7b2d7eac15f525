"""What looks at an item or a run by itself, and when next: so that nobody waits for what will never come."""

from datetime import datetime, timedelta
from typing import NamedTuple

from .facts import Item, Machine

NOBODY = "nothing happens by itself"
SENT = "the conductor sends it as soon as it is its turn; what it misses is found every few seconds"
HINT = "a work message that got lost is noticed by the sweeper, and sent again"
LEASE = "if its worker falls silent the sweeper takes it back then"
GATHER = "the sweeper looks whether all files got there"
FILES = "each scan of the watcher looks for its files, and the run database is asked again"
ALONE = "no sweeper has been heard of lately: what gets lost stays lost"
TYPE = "it goes on once a run database says its type, or the type is configured"
UNKNOWN = "run-type-unknown"
INTERVAL_S = 5.0


class Check(NamedTuple):
    """What is looked at, and when next where that is known."""

    says: str
    next: datetime | None = None


def of_item(item: Item, machine: Machine) -> Check:
    """Say what looks at an item next."""
    if item.phase == "ready":
        due = item.not_before if item.not_before and item.not_before > machine.now else None
        return Check("it is sent again then" if due else SENT, due)
    if not machine.has("sweeper") and item.phase in ("submitted", "executing", "waiting"):
        return Check(ALONE)
    if item.phase == "executing":
        return Check(LEASE, item.lease_until)
    if item.phase in ("submitted", "waiting"):
        return Check(HINT if item.phase == "submitted" else GATHER, next_round(machine))
    if item.phase == "held" and item.reason_code == UNKNOWN:
        return Check(TYPE)
    return Check("" if item.phase == "done" else NOBODY)


def of_run(machine: Machine, code: str, *, absent: bool) -> Check:
    """Say what looks at a run that waits, by the `code` of why; `absent`: some of its files have not come."""
    if code == UNKNOWN:
        return Check(TYPE)
    if absent:
        return Check(FILES)
    return Check(GATHER, next_round(machine)) if machine.has("sweeper") else Check(ALONE)


def next_round(machine: Machine) -> datetime | None:
    """Give when the sweeper's next round is due; none where none was heard of, or it is late."""
    rounds = [
        process.seen_at + timedelta(seconds=float(process.detail.get("interval_s", INTERVAL_S)))
        for process in machine.alive
        if process.role == "sweeper"
    ]
    due = min(rounds, default=None)
    return due if due is not None and due > machine.now else None
