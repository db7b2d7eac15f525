"""File-system work after the fact: what is due, and what workers say became of it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from .core import execute


def due(connection: Connection, room: int, again_s: float) -> list[Row[Any]]:
    """Take settle work that is due, at most `room`; what is not reported done comes again after `again_s`."""
    return execute(connection, "settle_due", room=room, again_s=again_s)


def settled(connection: Connection, said: Sequence[tuple[int, bool, str]]) -> None:
    """Apply what workers say: done work goes (a link is written to its replica), the rest waits for another try."""
    rows = [{"id": settle, "error": error} for settle, done, error in said if not done]
    execute(connection, "settle_failed", rows)
    done = [{"id": settle} for settle, is_done, _ in said if is_done]
    execute(connection, "settle_done", done)
