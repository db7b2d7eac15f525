"""Pilots: batch jobs that run workers, the newest first."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ..schema import pilot
from .fields import View
from .paging import Listed, Page, key, listed, size


class PilotRow(View):
    """A job of workers, from the wish for one to its end. `request` is what was asked of the batch system."""

    id: int
    steps: str
    status: str
    job: str
    node: str
    request: dict[str, Any]
    reason: str
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


def pilots(conn: Connection, page: Page | None = None, *, status: str | None = None) -> Listed[PilotRow]:
    """List pilots. The token by which a pilot makes itself known is never shown."""
    page = page or Page()
    wanted, after = select(*(pilot.c[name] for name in PilotRow.__struct_fields__)), key(page, int)
    if status is not None:
        wanted = wanted.where(pilot.c.status == status)
    if after is not None:
        wanted = wanted.where(pilot.c.id < after[0])
    rows = conn.execute(wanted.order_by(pilot.c.id.desc()).limit(size(page))).all()
    return listed(rows, page, lambda row: PilotRow(**row._mapping), "id")
