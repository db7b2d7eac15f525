"""Pilots: batch jobs that run workers, the newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select, text

from ..schema import pilot as table
from .fields import View
from .paging import Listed, Page, key, listed, named, size


class PilotRow(View):
    """A job of workers, from the wish for one to its end.

    `token` is its job's name; `name` which of the configuration's it is. `request` is what was asked of the batch
    system, `state` and `reason` are that system's words, `code` says in one word why it is over. `told` is an
    operator's word that its launcher obeys. `seen_at` is when the launcher last spoke of it, `heard_at` when it last
    spoke for itself, `detail` what it said. `workers` are those of it that are alive, `busy` of them execute something.
    """

    id: int
    token: str
    launcher: str
    name: str
    steps: str
    large: bool
    status: str
    state: str
    code: str
    reason: str
    job: str
    node: str
    log: str
    restarts: int
    workers: int
    busy: int
    told: str
    told_by: str
    told_reason: str
    told_at: datetime | None
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    seen_at: datetime | None
    heard_at: datetime | None
    request: dict[str, Any]
    detail: dict[str, Any]
    usage: dict[str, Any]


def pilots(
    conn: Connection,
    page: Page | None = None,
    *,
    status: str | None = None,
    launcher: str | None = None,
    name: str | None = None,
    live: bool | None = None,
) -> Listed[PilotRow]:
    """List pilots, those alone that are `live` (not over), or that are not."""
    page = page or Page()
    wanted, after = _selected(), key(page, int)
    for column, value in ((table.c.status, status), (table.c.launcher, launcher), (table.c.name, name)):
        if value is not None:
            wanted = wanted.where(column == value)
    if live is not None:
        wanted = wanted.where(table.c.ended_at.is_(None) if live else table.c.ended_at.is_not(None))
    if after is not None:
        wanted = wanted.where(table.c.id < after[0])
    rows = conn.execute(wanted.order_by(table.c.id.desc()).limit(size(page))).all()
    at_work = _at_work(conn, rows)
    return listed(rows, page, lambda row: _made(row, at_work), "id")


def pilot(conn: Connection, number: int) -> PilotRow | None:
    """Give one pilot by its number."""
    row = conn.execute(_selected().where(table.c.id == number)).first()
    return None if row is None else _made(row, _at_work(conn, [row]))


def _selected() -> Select[Any]:
    computed = ("workers", "busy")
    return select(*(table.c[name] for name in PilotRow.__struct_fields__ if name not in computed))


def _made(row: Row[Any], at_work: dict[str, tuple[int, int]]) -> PilotRow:
    workers, busy = at_work.get(row.token, (0, 0))
    return PilotRow(**named(row), workers=workers, busy=busy)


def _at_work(conn: Connection, rows: Sequence[Row[Any]]) -> dict[str, tuple[int, int]]:
    """Count the workers of these pilots that are alive, and those that execute something, by token."""
    tokens = [row.token for row in rows if row.heard_at is not None or row.started_at is not None]
    found = conn.execute(AT_WORK, {"tokens": tokens}) if tokens else ()
    return {row.token: (row.workers, row.busy) for row in found}


AT_WORK = text("""
select w.detail ->> 'pilot' as token, count(*) as workers, count(*) filter (where w.owner in (
  select owner from item where phase = 'executing')) as busy
from process w
where w.detail ->> 'pilot' = any(:tokens) and w.detail ->> 'pilot' <> '' and w.role = 'worker'
  and w.seen_at > clock_timestamp() - interval '60 seconds'
group by 1
""")
