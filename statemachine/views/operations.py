"""What operators did, newest first, and how far that is."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select
from sqlalchemy import cast as as_type
from sqlalchemy.types import Double

from ..records import Record
from ..schema import operation as table
from ..store.operating.order import ACTIONS, NAMES
from .fields import View
from .paging import Listed, Page, key, listed, size

PLAIN = (
    "id",
    "at",
    "actor",
    "action",
    "selection",
    "reason",
    "total",
    "done",
    "changed",
    "status",
    "names",
    "lane",
    "started_at",
    "finished_at",
    "why",
)


class OperationFilter(Record):
    """Which operations. Empty means all; `since`: begun then or later."""

    actor: str | None = None
    action: str | None = None
    status: str | None = None
    since: datetime | None = None


class OperationRow(View):
    """An action: of `total` items `done` have been looked at and `changed` were changed; `meanwhile` of them were
    left alone, for they had changed since they were selected.

    `status` is waiting, running, done, failed, cancelled, or `dry-run`, which has no number. `names` are the first few
    items. `rate` is items a second so far, `eta_s` the seconds that the rest takes at that rate. `why` says why it
    failed, who cancelled it, or how many items were asked for and why there is nothing to do. `selected` stands for
    exactly what a dry run saw.
    """

    id: int
    at: datetime
    actor: str
    action: str
    selection: dict[str, Any]
    reason: str
    total: int
    done: int
    changed: int
    status: str
    names: tuple[str, ...] = ()
    lane: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    why: str = ""
    rate: float | None = None
    eta_s: float | None = None
    selected: str = ""
    meanwhile: int = 0


def operations(
    conn: Connection, where: OperationFilter | None = None, page: Page | None = None, *, falling: bool = True
) -> Listed[OperationRow]:
    """List what operators did: the newest first, or (not `falling`) the oldest."""
    where, page = where or OperationFilter(), page or Page()
    wanted = _selected().order_by(table.c.id.desc() if falling else table.c.id).limit(size(page))
    for column, value in ((table.c.actor, where.actor), (table.c.status, where.status)):
        if value is not None:
            wanted = wanted.where(column == value)
    if where.action is not None:
        wanted = wanted.where(table.c.action == str(ACTIONS.get(where.action, where.action)))
    if where.since is not None:
        wanted = wanted.where(table.c.at >= where.since)
    after = key(page, int)
    if after is not None:
        wanted = wanted.where(table.c.id < after[0] if falling else table.c.id > after[0])
    return listed(conn.execute(wanted).all(), page, _made, "id")


def operation(conn: Connection, number: int) -> OperationRow | None:
    """Give one operation."""
    row = conn.execute(_selected().where(table.c.id == number)).first()
    return None if row is None else _made(row)


def _selected() -> Select[Any]:
    end = func.coalesce(table.c.finished_at, func.clock_timestamp())
    took = as_type(func.extract("epoch", end - table.c.started_at), Double).label("took")
    return select(*(table.c[name] for name in PLAIN), took)


def _made(row: Row[Any]) -> OperationRow:
    values: dict[str, Any] = {name: getattr(row, name) for name in PLAIN}
    values |= {"action": NAMES.get(row.action, row.action), "names": tuple(row.names)}
    rate = row.done / row.took if row.took and row.done else None
    meanwhile = row.done - row.changed if row.action in NAMES else 0
    left = row.total - row.done if row.status in ("waiting", "running") else 0
    return OperationRow(**values, meanwhile=meanwhile, rate=rate, eta_s=left / rate if rate and left else None)
