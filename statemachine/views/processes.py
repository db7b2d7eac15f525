"""Daemons and workers by when they were last heard of, and what operators have paused."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, literal, null, or_, select

from ..schema import pause, pilot, process, site
from .fields import View

SEEN = timedelta(seconds=60)
"""A process that was not heard of for so long counts as gone."""

OUTLIVED = timedelta(seconds=15)
"""What was heard of no longer than this after its pilot's end has ended with it: the last words take their time."""

INTERVALS = 3
"""A launcher is heard of once an interval, which may be long: it counts as gone after so many, if that is later."""


def seen_lately() -> ColumnElement[bool]:
    """Say whether a process was heard of within `SEEN`, a launcher within its intervals."""
    intervals_s = INTERVALS * func.coalesce(process.c.detail["interval_s"].as_float(), 0.0)
    ago_s = func.extract("epoch", func.clock_timestamp() - process.c.seen_at)
    allowed_s = func.greatest(SEEN.total_seconds(), intervals_s)
    recently = process.c.seen_at > func.clock_timestamp() - SEEN
    return or_(recently, and_(process.c.role == "launcher", ago_s < allowed_s))


def ended_with_pilot() -> ColumnElement[bool]:
    """Say whether a process has ended with its pilot: what was heard of later is a job that outlived its end."""
    own = process.c.detail["pilot"].astext
    over = select(pilot.c.id).where(pilot.c.token == own, pilot.c.ended_at >= process.c.seen_at - OUTLIVED)
    return over.correlate(process).exists()


class ProcessRow(View):
    """A process. `alive`: it was heard of within `SEEN`, and its pilot, if it has one, is not over.

    `detail` is its own (a worker's steps).
    """

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
    is_alive = (process.c.seen_at > func.clock_timestamp() - SEEN) & ~ended_with_pilot()
    wanted = select(process, is_alive.label("alive"))
    if role is not None:
        wanted = wanted.where(process.c.role == role)
    if alive is not None:
        wanted = wanted.where(is_alive.is_(alive))
    rows = conn.execute(wanted.order_by(process.c.seen_at.desc(), process.c.owner).limit(most))
    return tuple(ProcessRow(**row._mapping) for row in rows)


class Around(NamedTuple):
    """What is alive at a moment, and when a conductor was last heard of, alive or not."""

    now: datetime
    alive: tuple[ProcessRow, ...]
    last_conductor: datetime | None

    @property
    def workers(self) -> tuple[ProcessRow, ...]:
        """Give the workers among them."""
        return tuple(each for each in self.alive if each.role == "worker")


def around(conn: Connection, most: int = 1000) -> Around:
    """Look at the time and at what is alive, with one question."""
    moment = select(func.statement_timestamp().label("now")).subquery("moment")
    last = select(func.max(process.c.seen_at)).where(process.c.role == "conductor").scalar_subquery()
    is_alive = (process.c.seen_at > moment.c.now - SEEN) & ~ended_with_pilot()
    wanted = select(process, moment.c.now, last.label("last_conductor")).select_from(
        moment.outerjoin(process, is_alive)
    )
    rows = conn.execute(wanted.order_by(process.c.seen_at.desc(), process.c.owner).limit(most)).all()
    names = [name for name in ProcessRow.__struct_fields__ if name != "alive"]
    alive = (ProcessRow(**{name: row._mapping[name] for name in names}, alive=True) for row in rows if row.owner)
    return Around(rows[0].now, tuple(alive), rows[0].last_conductor)


def obstacles(conn: Connection) -> tuple[tuple[PauseRow, ...], tuple[tuple[str, str], ...]]:
    """Give what is paused, and the sites that are down with the reason, with one question."""
    down = select(literal("site-down"), site.c.name, literal(""), site.c.reason, null()).where(site.c.status == "down")
    paused = select(*(pause.c[name] for name in PauseRow.__struct_fields__))
    rows = conn.execute(paused.union_all(down).order_by("since", "what", "name")).all()
    found = tuple(PauseRow(**row._mapping) for row in rows if row.what != "site-down")
    return found, tuple((row.name, row.reason) for row in rows if row.what == "site-down")


def pauses(conn: Connection) -> tuple[PauseRow, ...]:
    """List what is paused, the longest first."""
    rows = conn.execute(select(pause).order_by(pause.c.since, pause.c.what, pause.c.name))
    return tuple(PauseRow(**row._mapping) for row in rows)
