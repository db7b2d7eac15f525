"""How full the broker's queues are, as a conductor last saw them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from ..records import Record
from .core import execute


class Depth(Record):
    """A queue: what it is for, and what it held. `messages` none: the broker has no such queue."""

    queue: str
    kind: str
    step: str = ""
    lane: str = ""
    messages: int | None = None
    consumers: int = 0


def due(connection: Connection, every_s: float) -> bool:
    """Say whether nobody has looked for about so long."""
    (row,) = execute(connection, "depths_due", every_s=0.8 * every_s)
    return bool(row.due)


def keep(connection: Connection, found: Iterable[Depth]) -> None:
    """Write down what was found; queues that nobody has asked for in a day go."""
    rows: list[dict[str, Any]] = [
        {
            "queue": each.queue,
            "kind": each.kind,
            "step": each.step,
            "lane": each.lane,
            "messages": each.messages,
            "consumers": each.consumers,
        }
        for each in found
    ]
    execute(connection, "keep_depths", rows)
    execute(connection, "forget_depths")
