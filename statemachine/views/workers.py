"""Processes one by one: how each is, and what each worker does now and did last."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select, tuple_

from ..records import Record
from ..schema import attempt, campaign, file, item, pause, pilot, process, run
from .attempts import AttemptRow
from .fields import View
from .launchers import PilotBrief, pilots_of_tokens
from .paging import Listed, Page, key, listed, size
from .processes import ended_with_pilot, seen_lately

LATELY = timedelta(hours=1)
"""Who has been silent for longer is listed only on demand."""
LOOKED_AT = 2000
"""So many of the latest attempts on its host are looked at for those of one worker."""
MOST_SHOWN = 20


class WorkerFilter(Record):
    """Which processes. `standing` is one of those that `WorkerRow` names; `every`: the long silent too.

    `pilot` asks for the workers of the one of this number.
    """

    role: str | None = None
    host: str | None = None
    standing: str | None = None
    pilot: int | None = None
    every: bool = False


class Doing(View):
    """An item that a worker executes."""

    item: int
    file: int | None
    name: str
    run: int
    step: str
    lane: str
    epoch: int
    since: datetime
    lease_until: datetime | None


class WorkerRow(View):
    """A process. `standing`: `working`, `idle`, `paused`, `draining`, `left` (drained, then silent; or its pilot is
    over), `silent`, and `running` for one that is no worker. `told` names who paused it, or had it drain, and why;
    `aside`: its node is set aside. `doing` holds the first `MOST_SHOWN` of the `busy` items that it executes. `pilot`
    is the number of the one that it works for.
    """

    owner: str
    name: str
    role: str
    host: str
    pid: int | None
    version: str
    job: str
    pilot: int | None
    steps: tuple[str, ...]
    lanes: tuple[str, ...]
    started_at: datetime
    seen_at: datetime
    standing: str
    told: str
    busy: int
    doing: tuple[Doing, ...]
    aside: bool = False


class RoleRow(View):
    """How many processes of a role are there, and how many fell silent within `LATELY` without having left."""

    role: str
    alive: int
    silent: int


def workers(conn: Connection, where: WorkerFilter | None = None, page: Page | None = None) -> Listed[WorkerRow]:
    """List processes by role, host and owner, with what they do."""
    where, page = where or WorkerFilter(), page or Page()
    wanted = _narrowed(where)
    keys = (process.c.role, process.c.host, process.c.owner)
    after = key(page, str, str, str)
    if after is not None:
        wanted = wanted.where(tuple_(*keys) > tuple_(*after))
    rows = conn.execute(wanted.order_by(*keys).limit(size(page))).all()
    made = _around(conn, rows)
    return listed(rows, page, made, "role", "host", "owner")


def worker(conn: Connection, owner: str) -> WorkerRow | None:
    """Give one process by its owner, silent or not."""
    rows = conn.execute(_selected().where(process.c.owner == owner)).all()
    return next(map(_around(conn, rows), rows), None)


def roles(conn: Connection) -> tuple[RoleRow, ...]:
    """Count processes by role."""
    lately = process.c.seen_at > func.clock_timestamp() - LATELY
    each = select(process.c.role, _standing().label("standing")).where(lately).subquery("each")
    gone = each.c.standing.in_(("left", "silent"))
    silent = func.count().filter(each.c.standing == "silent")
    wanted = select(each.c.role, func.count().filter(~gone).label("alive"), silent.label("silent"))
    rows = conn.execute(wanted.group_by(each.c.role).order_by(each.c.role))
    return tuple(RoleRow(**row._mapping) for row in rows)


def attempts_by(conn: Connection, host: str, owner: str, most: int = 50) -> tuple[AttemptRow, ...]:
    """Give the attempts of one owner that ended last, out of the latest of its host."""
    latest = (
        select(attempt)
        .where(attempt.c.host == host, attempt.c.ended_at.is_not(None))
        .order_by(attempt.c.ended_at.desc())
        .limit(LOOKED_AT)
        .subquery("latest")
    )
    names = [name for name in AttemptRow.__struct_fields__ if name in latest.c]
    wanted = (
        select(
            *(latest.c[name] for name in names),
            latest.c.item_id.label("item"),
            run.c.number.label("run"),
            func.coalesce(file.c.name, "").label("file"),
            campaign.c.name.label("campaign"),
        )
        .join(item, item.c.id == latest.c.item_id)
        .join(run, run.c.id == item.c.run_id)
        .join(campaign, campaign.c.id == item.c.campaign_id)
        .outerjoin(file, file.c.id == item.c.file_id)
        .where(latest.c.owner == owner)
        .order_by(latest.c.ended_at.desc())
        .limit(most)
    )
    return tuple(AttemptRow(**row._mapping) for row in conn.execute(wanted))


def _selected() -> Select[Any]:
    return select(process, _standing().label("standing"))


def _standing() -> ColumnElement[str]:
    alive = seen_lately()
    detail = process.c.detail
    draining = detail["draining"].as_boolean().is_(True)
    paused = (
        select(pause.c.name)
        .where(
            ((pause.c.what == "worker") & pause.c.name.in_((process.c.owner, detail["name"].as_string())))
            | ((pause.c.what == "node") & (pause.c.name == process.c.host))
        )
        .exists()
    )
    ordered = select(pause.c.name).where(pause.c.what == "drain", pause.c.name == process.c.owner).exists()
    return case(
        (ended_with_pilot() | (~alive & draining), "left"),
        (~alive, "silent"),
        (process.c.role != "worker", "running"),
        (draining | ordered, "draining"),
        (paused, "paused"),
        (process.c.owner.in_(select(item.c.owner).where(item.c.phase == "executing")), "working"),
        else_="idle",
    )


def _narrowed(where: WorkerFilter) -> Select[Any]:
    wanted = _selected()
    if not where.every:
        wanted = wanted.where(process.c.seen_at > func.clock_timestamp() - LATELY)
    if where.pilot is not None:
        token = select(pilot.c.token).where(pilot.c.id == where.pilot).scalar_subquery()
        own = process.c.detail["pilot"].astext
        wanted = wanted.where(own == token, own != "", process.c.role == "worker")
    for column, value in (
        (process.c.role, where.role),
        (process.c.host, where.host),
        (_standing(), where.standing),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    return wanted


def doing_of(conn: Connection, owners: Sequence[str]) -> dict[str, tuple[Doing, ...]]:
    """Give what each of these executes, by the short index of all that executes."""
    columns = [item.c.id.label("item"), *(item.c[name] for name in ("step", "lane", "epoch", "since", "lease_until"))]
    wanted = (
        select(
            item.c.owner,
            *columns,
            file.c.id.label("file"),
            func.coalesce(file.c.name, "").label("name"),
            run.c.number.label("run"),
        )
        .join(run, run.c.id == item.c.run_id)
        .outerjoin(file, file.c.id == item.c.file_id)
        .where(item.c.phase == "executing", item.c.owner.in_(owners))
        .order_by(item.c.since, item.c.id)
    )
    found: dict[str, tuple[Doing, ...]] = {}
    for owner, *values in conn.execute(wanted) if owners else ():
        names = ("item", "step", "lane", "epoch", "since", "lease_until", "file", "name", "run")
        made = Doing(**dict(zip(names, values, strict=True)))
        found[owner] = (*found.get(owner, ()), made)
    return found


Told = dict[tuple[bool, str], str]
"""Who told a worker, or all of a node, to rest or leave, and why: by whether a node is meant, and the name."""


def _told(conn: Connection) -> Told:
    rows = conn.execute(select(pause).where(pause.c.what.in_(("worker", "drain", "node"))))
    return {(row.what == "node", row.name): f"{row.actor}: {row.reason}" for row in rows}


def _around(conn: Connection, rows: Sequence[Any]) -> Callable[[Any], WorkerRow]:
    """Look up what surrounds these processes; give what makes each row."""
    doing, told = doing_of(conn, [row.owner for row in rows]), _told(conn)
    pilots = pilots_of_tokens(conn, [str(row.detail.get("pilot") or "") for row in rows])
    return lambda row: _made(row, doing.get(row.owner, ()), told, pilots.get(str(row.detail.get("pilot") or "")))


def _made(row: Any, doing: tuple[Doing, ...], told: Told, pilot: PilotBrief | None) -> WorkerRow:
    detail = row.detail
    name = str(detail.get("name") or "")
    aside = told.get((True, row.host)) if row.role == "worker" else None
    plain = ("owner", "role", "host", "pid", "version", "started_at", "seen_at", "standing")
    return WorkerRow(
        **{field: row._mapping[field] for field in plain},
        name=name,
        job=str(detail.get("job") or ""),
        pilot=pilot.id if pilot is not None else None,
        steps=tuple(detail.get("steps") or ()),
        lanes=tuple(detail.get("lanes") or ()),
        told=told.get((False, row.owner)) or told.get((False, name)) or (f"node set aside by {aside}" if aside else ""),
        aside=aside is not None,
        busy=len(doing),
        doing=doing[:MOST_SHOWN],
    )
