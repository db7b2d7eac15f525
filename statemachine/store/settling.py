"""File-system work after the fact: what is due, and what workers say became of it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from ..naming import attempt_at
from ..records import Record
from .core import execute
from .named import Named, named


class Unsettled(Record):
    """Work on an attempt's folder that could not be done, and why."""

    named: Named
    item: int
    epoch: int
    step: str
    action: str
    site: str
    path: str
    cause: str


def due(connection: Connection, room: int, again_s: float) -> list[Row[Any]]:
    """Take settle work that is due, at most `room`; what is not reported done comes again after `again_s`."""
    return execute(connection, "settle_due", room=room, again_s=again_s)


def settled(connection: Connection, said: Sequence[tuple[int, bool, str]]) -> tuple[Unsettled, ...]:
    """Apply what workers say: done work goes (a link is written to its replica), the rest waits for another try.

    Give what could not be done.
    """
    rows = [{"id": settle, "error": error} for settle, done, error in said if not done]
    failed = execute(connection, "settle_failed", rows)
    done = [{"id": settle} for settle, is_done, _ in said if is_done]
    execute(connection, "settle_done", done)
    return _unsettled(connection, failed)


def _unsettled(connection: Connection, failed: Sequence[Row[Any]]) -> tuple[Unsettled, ...]:
    places = [(row, place) for row in failed if (place := attempt_at(row.path)) is not None]
    names = named(connection, {place.item for _, place in places})
    return tuple(
        Unsettled(
            named=names[place.item],
            item=place.item,
            epoch=place.epoch,
            step=place.step,
            action=row.action,
            site=row.site,
            path=row.path,
            cause=row.error,
        )
        for row, place in places
        if place.item in names
    )
