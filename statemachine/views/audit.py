"""What people did to the instance, in one list: actions, what was said of runs, what was changed of who may do what."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    cast,
    func,
    literal,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from ..records import Record
from ..schema import access_event, operation, run, run_operation
from ..store.operating.order import ACTIONS, NAMES
from .fields import View
from .paging import Listed, Page, key, listed, size


class AuditFilter(Record):
    """Which actions: by whom, which, from `since` on and before `until`, of this run.

    `access`: also what was changed of people's roles and tokens, which not everybody may see.
    """

    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    run: int | None = None
    access: bool = False


class AuditRow(View):
    """An action. `source` is `operation`, `run` for what was said of one run, or `access` for what was changed of
    people's roles and tokens; `id` counts within it.

    `selection` says what it was of, `names` the first few items; of `total` items `done` have been looked at and
    `changed` were changed. `why` says why it failed, or who cancelled it.
    """

    source: str
    id: int
    at: datetime
    actor: str
    action: str
    reason: str
    run: int | None
    selection: dict[str, Any]
    total: int
    done: int
    changed: int
    status: str
    finished_at: datetime | None
    names: tuple[str, ...] = ()
    why: str = ""


FIELDS = AuditRow.__struct_fields__
SOURCES = {"operation": "operation", "run_operation": "run", "access_event": "access"}
CHANGES = (
    "user-added",
    "user-enabled",
    "user-disabled",
    "roles-changed",
    "password-changed",
    "token-made",
    "token-revoked",
)
"""What is said of access that changed something: who signed in is nobody's business."""


def audit(conn: Connection, where: AuditFilter | None = None, page: Page | None = None) -> Listed[AuditRow]:
    """List actions, the latest first."""
    where, page = where or AuditFilter(), page or Page()
    after = key(page, datetime, str, int)
    parts = [
        _latest(operation, _of_operations(where), after, page),
        _latest(run_operation, _of_runs(where), after, page),
    ]
    if where.access and where.run is None:
        parts.append(_latest(access_event, _of_access(where), after, page))
    both = union_all(*(select(part.subquery()) for part in parts)).subquery("both")
    ordered = select(both).order_by(both.c.at.desc(), both.c.source.desc(), both.c.id.desc()).limit(size(page))
    return listed(conn.execute(ordered).all(), page, _made, "at", "source", "id")


def _of_operations(where: AuditFilter) -> Select[Any]:
    c = operation.c
    told: dict[str, ColumnElement[Any]] = {
        "source": literal(SOURCES[operation.name]),
        "action": c.action,
        "run": cast(null(), BigInteger),
        "selection": c.selection,
    }
    wanted = _as_audit(told, c)
    if where.action is not None:
        wanted = wanted.where(c.action == ACTIONS.get(where.action, where.action))
    if where.run is not None:
        wanted = wanted.where(c.selection.contains({"runs": [where.run]}))
    return _between(wanted, where, c.actor, c.at)


def _of_runs(where: AuditFilter) -> Select[Any]:
    c = run_operation.c
    told: dict[str, ColumnElement[Any]] = {
        **_at_once(c),
        "source": literal(SOURCES[run_operation.name]),
        "action": c.operation,
        "run": run.c.number,
        "selection": func.jsonb_build_object("before", c.before, "after", c.after),
    }
    wanted = _as_audit(told, c).join(run, run.c.id == c.run_id)
    if where.action is not None:
        wanted = wanted.where(c.operation == where.action)
    if where.run is not None:
        wanted = wanted.where(c.run_id == select(run.c.id).where(run.c.number == where.run).scalar_subquery())
    return _between(wanted, where, c.actor, c.at)


def _of_access(where: AuditFilter) -> Select[Any]:
    c = access_event.c
    told: dict[str, ColumnElement[Any]] = {
        **_at_once(c),
        "source": literal(SOURCES[access_event.name]),
        "reason": literal(""),
        "run": cast(null(), BigInteger),
        "selection": func.jsonb_build_object("subject", c.subject, "detail", c.detail),
    }
    wanted = _as_audit(told, c).where(c.action.in_(CHANGES))
    if where.action is not None:
        wanted = wanted.where(c.action == where.action)
    return _between(wanted, where, c.actor, c.at)


def _at_once(columns: Any) -> dict[str, ColumnElement[Any]]:
    """Give what is so of everything that is done as soon as it is said."""
    whole = cast(literal(1), BigInteger)
    return {
        "total": whole,
        "done": whole,
        "changed": whole,
        "status": literal("done"),
        "finished_at": columns.at,
        "names": cast(array([]), ARRAY(Text)),
        "why": literal(""),
    }


def _as_audit(told: dict[str, ColumnElement[Any]], columns: Any) -> Select[Any]:
    return select(*((told[name] if name in told else columns[name]).label(name) for name in FIELDS))


def _between(wanted: Select[Any], where: AuditFilter, actor: Any, at: Any) -> Select[Any]:
    if where.actor is not None:
        wanted = wanted.where(actor == where.actor)
    if where.since is not None:
        wanted = wanted.where(at >= where.since)
    if where.until is not None:
        wanted = wanted.where(at < where.until)
    return wanted


def _latest(table: Table, part: Select[Any], after: tuple[Any, ...] | None, page: Page) -> Select[Any]:
    """Narrow a table's part to a page of its own, by its index, before both are merged."""
    if after is not None:
        mine = tuple_(table.c.at, literal(SOURCES[table.name]), table.c.id)
        part = part.where(mine < tuple_(*after), table.c.at <= after[0])
    return part.order_by(table.c.at.desc(), table.c.id.desc()).limit(size(page))


def _made(row: Any) -> AuditRow:
    found = dict(row._mapping)
    return AuditRow(**{**found, "action": NAMES.get(found["action"], found["action"]), "names": tuple(found["names"])})
