"""Every invariant of the machine, checked: one named check each, giving the broken lines.

All checks read one snapshot of the caller's transaction (`repeatable read`), in pages of items, so that nothing
that moves meanwhile looks broken and no table is held in memory.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from . import counts, deep, history, items, products, runs
from .fault import Check, Fault, Resolve

__all__ = ["Check", "Fault", "Resolve", "checks", "history_checks", "keep_history", "verify"]


def checks(inboxes: Sequence[tuple[str, str]] = (), resolve: Resolve | None = None) -> tuple[Check, ...]:
    """Give all checks. `inboxes` are (site, path) pairs; `resolve` asks for the deep one, which opens every file."""
    found = (
        *history_checks(),
        Check("phase, owner, lease and step agree", items.consistent),
        Check("every running attempt is an executing item's", items.attempts),
        Check("kept counts equal recounts", counts.recounted),
        Check("no run is further than its files", runs.not_ahead, settles=True),
        Check("the number of files declared missing is right", runs.waived),
        Check("every product was accepted, and one a step stands", products.accepted),
        Check("every product has a replica", products.has_replica),
        Check("no product lies under an inbox", lambda conn: products.not_in_inbox(conn, inboxes)),
    )
    if resolve is None:
        return found
    return (*found, Check("every replica is whole on disk", lambda conn: deep.whole(conn, resolve)))


def history_checks() -> tuple[Check, ...]:
    """Give the checks of history alone."""
    return (
        Check("the history of every item has no gap and no double", history.chained),
        Check("history replays to the present state", history.replays),
        Check("every move in history is legal in its pipeline", history.legal),
        Check("no epoch is used again", history.epochs),
        Check("no epoch was accepted twice", history.accepted_once),
    )


def keep_history(conn: Connection) -> None:
    """Let no month of history be dropped until this transaction ends. To be said before anything is read.

    A dropped table is gone for snapshots that were taken before it too, while the checkpoints that stand for it are
    not there for them. So the lock comes first, then the snapshot.
    """
    conn.execute(text("lock table history in access share mode"))


def verify(
    conn: Connection, inboxes: Sequence[tuple[str, str]] = (), resolve: Resolve | None = None
) -> Iterator[Fault]:
    """Run all checks and give what is broken."""
    keep_history(conn)
    for check in checks(inboxes, resolve):
        yield from check.run(conn)
