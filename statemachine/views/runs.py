"""Runs, newest number first, each with the counts of its files."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select, true, tuple_

from ..records import Record
from ..schema import campaign, item, replica, run
from .counts import GOOD, Count, by_run
from .fields import View
from .incomplete import incomplete
from .paging import Listed, Page, key, listed, size

Order = Literal["-number", "number", "-started", "started", "-missing"]
"""Ways to sort runs, `-` for falling; `-missing` has those that miss files first, each part newest first."""
_began = func.coalesce(run.c.started_at, run.c.created_at)
"""When a run started, or was first heard of where nobody has said that."""


class RunFilter(Record):
    """Which runs, in which order. Empty means all; `state`, `phase` and `reason_code` are those of the run itself.

    `since` and `until` bound the start of the run, `until` not included. `site` keeps those of which something can be
    read there, `incomplete` those that miss files.
    """

    numbers: tuple[int, ...] = ()
    kind: str | None = None
    campaign: str | None = None
    state: str | None = None
    phase: str | None = None
    quality: str | None = None
    reason_code: str | None = None
    site: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    incomplete: bool = False
    order: Order = "-number"


class RunRow(View):
    """A run and how far its files are.

    `missing` is `expected - registered - waived`, none while the detector has not said how many it expects.
    `states` and `phases` count files, `files` counts them by state and then phase; `copies` counts readable
    replicas by site and then role (`raw`, or the step that made the content). `cataloged` counts files that
    have reached their last state.
    """

    id: int
    number: int
    kind: str
    campaign: str
    state: str
    phase: str
    step: str
    started: datetime | None
    ended: datetime | None
    closed: datetime | None
    expected: int | None
    registered: int
    waived: int
    missing: int | None
    files: dict[str, dict[str, int]]
    states: dict[str, int]
    phases: dict[str, int]
    failed: int
    held: int
    abandoned: int
    cataloged: int
    copies: dict[str, dict[str, int]]
    quality: str
    since: datetime | None
    reason_code: str
    reason: str
    item: int | None


PLAIN = ("id", "number", "started", "ended", "closed", "expected", "waived", "quality", "since", "item")
NAMED = ("kind", "campaign", "state", "phase", "step", "reason_code", "reason")


def runs(conn: Connection, where: RunFilter | None = None, page: Page | None = None) -> Listed[RunRow]:
    """List runs with their counts."""
    where, page = where or RunFilter(), page or Page()
    wanted = _filtered(where)
    if where.incomplete:
        wanted = wanted.where(run.c.id == func.any(incomplete(conn)))
    if where.order == "-missing":
        return _missing_first(conn, wanted, page)
    falling, by_start = where.order.startswith("-"), where.order.endswith("started")
    columns = (_began, run.c.number) if by_start else (run.c.number,)
    after = key(page, datetime, int) if by_start else key(page, int)
    if after is not None:
        keys = tuple_(*columns)
        wanted = wanted.where(keys < tuple_(*after) if falling else keys > tuple_(*after))
    wanted = wanted.order_by(*(column.desc() if falling else column for column in columns)).limit(size(page))
    return counted(conn, conn.execute(wanted).all(), page, *(("began", "number") if by_start else ("number",)))


def _missing_first(conn: Connection, wanted: Select[Any], page: Page) -> Listed[RunRow]:
    """Give the runs that miss files, then the others."""
    after, short = key(page, bool, int), incomplete(conn)
    rows: list[Row[Any]] = []
    for part, which in ((True, run.c.id == func.any(short)), (False, run.c.id != func.all(short))):
        if after is not None and part and not after[0]:
            continue
        ask = wanted.add_columns(literal(part).label("short")).where(which).order_by(run.c.number.desc())
        if after is not None and part is after[0]:
            ask = ask.where(run.c.number < after[1])
        if room := size(page) - len(rows):
            rows += conn.execute(ask.limit(room)).all()
    return counted(conn, rows, page, "short", "number")


def counted(conn: Connection, rows: Sequence[Row[Any]], page: Page, *names: str) -> Listed[RunRow]:
    """Make a page of runs from their rows, with one question for all counts; `names` make the cursor."""
    counts = by_run(conn, [row.id for row in rows])
    return listed(rows, page, lambda row: _made(row, counts[row.id]), *names or ("number",))


@cache
def selected() -> Select[Any]:
    """Give the question for runs with their own item; a lateral join, so that items are found by index only."""
    own = (
        select(item)
        .where(item.c.campaign_id == run.c.campaign_id, item.c.run_id == run.c.id, item.c.file_id.is_(None))
        .limit(1)
        .lateral("own")
    )
    columns = [
        *(run.c[name] for name in ("id", "number", "kind", "expected", "waived", "quality", "campaign_id")),
        run.c.started_at.label("started"),
        run.c.ended_at.label("ended"),
        run.c.closed_at.label("closed"),
        _began.label("began"),
        campaign.c.name.label("campaign"),
        own.c.id.label("item"),
        *(own.c[name] for name in ("state", "phase", "step", "since", "reason_code", "reason")),
    ]
    tables = run.outerjoin(campaign, campaign.c.id == run.c.campaign_id).outerjoin(own, true())
    return select(*columns).select_from(tables)


def _filtered(where: RunFilter) -> Select[Any]:
    wanted = selected()
    own = wanted.selected_columns
    if where.numbers:
        wanted = wanted.where(run.c.number == func.any(list(where.numbers)))
    for column, value in (
        (run.c.kind, where.kind),
        (run.c.quality, where.quality),
        (campaign.c.name, where.campaign),
        (own.state, where.state),
        (own.phase, where.phase),
        (own.reason_code, where.reason_code),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if where.since is not None:
        wanted = wanted.where(_began >= where.since)
    if where.until is not None:
        wanted = wanted.where(_began < where.until)
    if where.site is not None:
        wanted = wanted.where(_readable_at(where.site))
    return wanted


def _readable_at(site: str) -> ColumnElement[bool]:
    here = select(replica.c.id).where(replica.c.run_id == run.c.id, replica.c.site == site)
    return here.where(replica.c.retired_at.is_(None), replica.c.status.in_(GOOD)).exists()


def _made(row: Row[Any], counts: list[Count]) -> RunRow:
    own = [c for c in counts if c.scope == "file" and c.campaign_id == row.campaign_id]
    phases = _sums((c.phase, c.n) for c in own)
    registered = sum(c.n for c in own)
    missing = None if row.expected is None else max(0, row.expected - registered - row.waived)
    files: dict[str, dict[str, int]] = {}
    copies: dict[str, dict[str, int]] = {}
    for c in own:
        files.setdefault(c.state, {})[c.phase] = c.n
    for c in counts:
        if c.scope == "replica" and c.phase in GOOD:
            roles = copies.setdefault(c.site, {})
            roles[c.state] = roles.get(c.state, 0) + c.n
    plain: dict[str, Any] = {name: row._mapping[name] for name in PLAIN}
    named: dict[str, Any] = {name: row._mapping[name] or "" for name in NAMED}
    return RunRow(
        **plain,
        **named,
        registered=registered,
        missing=missing,
        files=files,
        states=_sums((c.state, c.n) for c in own),
        phases=phases,
        failed=phases.get("failed", 0),
        held=phases.get("held", 0),
        abandoned=phases.get("abandoned", 0),
        cataloged=phases.get("done", 0),
        copies=copies,
    )


def _sums(pairs: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, n in pairs:
        found[name] = found.get(name, 0) + n
    return found
