"""What the broker holds, as a conductor last saw it."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from ..schema import queue_depth
from .fields import View
from .processes import Around

FRESH = timedelta(seconds=30)
"""What is older says only how it was: no conductor runs, or the broker is away."""


class DepthRow(View):
    """A queue of the broker: messages that wait in it (none: there is no such queue), and its consumers.

    `kind` is work, large (what ran out of time or memory before), settle, reports, arrivals or dead. `fresh`: it was
    looked at within `FRESH`.
    """

    queue: str
    kind: str
    step: str
    lane: str
    messages: int | None
    consumers: int
    at: datetime
    fresh: bool


def depths(conn: Connection) -> tuple[DepthRow, ...]:
    """List the broker's queues by name."""
    fresh = queue_depth.c.at > func.clock_timestamp() - FRESH
    rows = conn.execute(select(queue_depth, fresh.label("fresh")).order_by(queue_depth.c.queue))
    return tuple(DepthRow(**row._mapping) for row in rows)


def broker_silent(conn: Connection, seen: Around) -> datetime | None:
    """Give since when the broker has not answered a conductor that is alive; none where it does.

    Who has just started has not looked yet, so only those count that have had the time: where none of them has ever
    heard from it, since the first of them started.
    """
    had_time = [each for each in seen.alive if each.role == "conductor" and each.started_at < seen.now - FRESH]
    if not had_time:
        return None
    last: datetime | None = conn.execute(select(func.max(queue_depth.c.at))).scalar_one()
    if last is None:
        return min(each.started_at for each in had_time)
    return last if last < seen.now - FRESH else None
