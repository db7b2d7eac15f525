"""Daemons and workers by when they were last heard of, and what operators have paused."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from ..schema import pause, process
from .fields import View

SEEN = timedelta(seconds=60)
"""A process that was not heard of for so long counts as gone."""


class ProcessRow(View):
    """A process. `alive` says that it was heard of within `SEEN`; `detail` is its own (a worker's steps)."""

    owner: str
    role: str
    host: str
    pid: int | None
    version: str
    detail: dict[str, Any]
    started_at: datetime
    seen_at: datetime
    alive: bool


class PauseRow(View):
    """Something that an operator has paused: `what` is a step, lane, site or the like, `name` which."""

    what: str
    name: str
    actor: str
    reason: str
    since: datetime


def processes(
    conn: Connection, *, role: str | None = None, alive: bool | None = None, most: int = 1000
) -> tuple[ProcessRow, ...]:
    """List processes, the last one heard of first."""
    is_alive = process.c.seen_at > func.clock_timestamp() - SEEN
    wanted = select(process, is_alive.label("alive"))
    if role is not None:
        wanted = wanted.where(process.c.role == role)
    if alive is not None:
        wanted = wanted.where(is_alive.is_(alive))
    rows = conn.execute(wanted.order_by(process.c.seen_at.desc(), process.c.owner).limit(most))
    return tuple(ProcessRow(**row._mapping) for row in rows)


def pauses(conn: Connection) -> tuple[PauseRow, ...]:
    """List what is paused, the longest first."""
    rows = conn.execute(select(pause).order_by(pause.c.since, pause.c.what, pause.c.name))
    return tuple(PauseRow(**row._mapping) for row in rows)
