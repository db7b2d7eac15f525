"""Launchers as they were last heard of, and which of their pilots bring workers for a step."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, literal, null, select

from ..piloting import OVER
from ..schema import pause, pilot, process
from .fields import View
from .processes import PauseRow, seen_lately

LATELY = timedelta(days=7)
"""A launcher that was not heard of for longer is not spoken of any more."""
MOST_OPEN = 1000
MOST_OVER = 50
ASKED = ("lanes", "most")
"""What of a pilot stands in what was asked for."""


class LauncherRow(View):
    """A launcher. `trouble` says by name of pilots what stops it, in the batch system's words; `names` are those that
    it keeps, `wanted` how many of each it wants now. `alive`: heard of within a minute, or within three of its
    intervals where those are longer.
    """

    name: str
    owner: str
    host: str
    version: str
    back_end: str
    cluster: str
    trouble: dict[str, str]
    names: tuple[str, ...]
    interval_s: float
    wanted: dict[str, int]
    started_at: datetime
    seen_at: datetime
    alive: bool


class PilotBrief(View):
    """What has to be known of a pilot to say why work waits, or what became of it.

    `most`: so many of its name are kept at most (0: its launcher has not said). No `lanes`: all.
    """

    id: int
    token: str
    launcher: str
    name: str
    steps: tuple[str, ...]
    status: str
    large: bool
    job: str
    node: str
    state: str
    code: str
    reason: str
    log: str
    told: str
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    heard_at: datetime | None
    lanes: tuple[str, ...]
    most: int

    @property
    def over(self) -> bool:
        """Say whether it has ended, or never began."""
        return self.status in OVER

    def serves(self, step: str, lane: str = "") -> bool:
        """Say whether its workers take a step, in a lane."""
        takes = not self.steps or step in self.steps or "all" in self.steps
        return takes and (not self.lanes or not lane or lane in self.lanes)


class Serving(NamedTuple):
    """The launchers, and the pilots that are there or ended last, the newest first."""

    launchers: tuple[LauncherRow, ...] = ()
    pilots: tuple[PilotBrief, ...] = ()


def launchers(conn: Connection) -> tuple[LauncherRow, ...]:
    """List the launchers heard of lately, by name; of those with one name only the last that was heard of."""
    return _one_each(conn.execute(_launchers().order_by("seen_at", "name")))


def launchers_and_nodes(conn: Connection) -> tuple[tuple[LauncherRow, ...], tuple[PauseRow, ...]]:
    """Give the launchers and the nodes that are set aside, with one question."""
    aside = select(
        literal("node"),
        pause.c.name,
        pause.c.actor,
        pause.c.reason,
        null(),
        pause.c.since,
        pause.c.since,
        literal(False),
    ).where(pause.c.what == "node")
    rows = conn.execute(_launchers().union_all(aside).order_by("seen_at", "name")).all()
    nodes = (
        PauseRow(what="node", name=row.name, actor=row.host, reason=row.version, since=row.seen_at)
        for row in rows
        if row.what == "node"
    )
    return _one_each(row for row in rows if row.what != "node"), tuple(nodes)


def serving(conn: Connection) -> Serving:
    """Give the launchers, and the pilots that are there or ended last."""
    return Serving(launchers(conn), recent_pilots(conn))


def recent_pilots(conn: Connection) -> tuple[PilotBrief, ...]:
    """Give the pilots that are not over, and some that ended last, the newest first: what stands behind all steps."""
    unfinished = _brief().where(pilot.c.ended_at.is_(None)).order_by(pilot.c.id.desc()).limit(MOST_OPEN).subquery()
    last = _brief().order_by(pilot.c.id.desc()).limit(MOST_OVER).subquery()
    rows = conn.execute(select(unfinished).union(select(last)).order_by(unfinished.c.id.desc())).all()
    return tuple(_made(row) for row in rows)


def pilots_of_jobs(conn: Connection, jobs: Iterable[str]) -> dict[str, PilotBrief]:
    """Give by job the pilot that was it; jobs of others are left out."""
    wanted = sorted({job for job in jobs if job})
    if not wanted:
        return {}
    rows = conn.execute(_brief().where(pilot.c.job != "", pilot.c.job.in_(wanted)).order_by(pilot.c.id))
    return {row.job: _made(row) for row in rows}


def pilots_of_tokens(conn: Connection, tokens: Iterable[str]) -> dict[str, PilotBrief]:
    """Give pilots by their tokens."""
    wanted = sorted({token for token in tokens if token})
    if not wanted:
        return {}
    rows = conn.execute(_brief().where(pilot.c.token.in_(wanted)))
    return {row.token: _made(row) for row in rows}


def steps_in(written: str) -> tuple[str, ...]:
    """Read the steps of a pilot."""
    return tuple(each for each in re.split(r"[,\s]+", written) if each)


def _brief() -> Select[Any]:
    plain = (pilot.c[name] for name in PilotBrief.__struct_fields__ if name not in ASKED)
    return select(*plain, pilot.c.request["lanes"].label("lanes"), pilot.c.request["max"].label("most"))


def _made(row: Any) -> PilotBrief:
    known = {name: row._mapping[name] for name in PilotBrief.__struct_fields__}
    lanes = tuple(str(lane) for lane in row.lanes) if isinstance(row.lanes, list) else ()
    most = row.most if isinstance(row.most, int) else 0
    return PilotBrief(**{**known, "steps": steps_in(row.steps), "lanes": lanes, "most": most})


def _launchers() -> Select[Any]:
    """Select launchers as rows that nodes set aside can stand beside."""
    alive = seen_lately()
    plain = (process.c[name] for name in ("host", "version", "detail", "started_at", "seen_at"))
    wanted = select(literal("launcher").label("what"), process.c.owner.label("name"), *plain, alive.label("alive"))
    return wanted.where(process.c.role == "launcher", process.c.seen_at > func.clock_timestamp() - LATELY)


def _one_each(rows: Iterable[Any]) -> tuple[LauncherRow, ...]:
    """Give of each name the one that was heard of last; rows come in that order."""
    found = {made.name: made for made in map(_launcher, rows)}
    return tuple(found[name] for name in sorted(found))


def _launcher(row: Any) -> LauncherRow:
    detail = row.detail
    return LauncherRow(
        name=str(detail.get("launcher") or row.host),
        owner=row.name,
        host=row.host,
        version=row.version,
        back_end=str(detail.get("back_end") or ""),
        cluster=str(detail.get("cluster") or ""),
        trouble={str(name): str(words) for name, words in (detail.get("trouble") or {}).items()},
        names=tuple(str(name) for name in detail.get("names") or ()),
        interval_s=float(detail.get("interval_s") or 0.0),
        wanted={str(name): int(many) for name, many in (detail.get("wanted") or {}).items()},
        started_at=row.started_at,
        seen_at=row.seen_at,
        alive=row.alive,
    )
