"""Files and how far they are: one row an item of scope `file`, so a file is there once a campaign.

The order follows the filter, so that each question runs down an index: by sequence within a run, in queue order
for what is ready, by campaign and run within a campaign, newest first otherwise.
"""

from datetime import datetime
from functools import cache
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, Select, and_, func, or_, select, tuple_

from ..records import Record
from ..schema import attempt, campaign, file, item, replica, run, step_rule
from .counts import GOOD, by_run
from .fields import View
from .paging import Listed, Page, key, listed, named, size
from .wide import TooWideError

TROUBLE = ("failed", "held", "abandoned")
FEW = 5_000
"""How many files of a run are ordered after they were found; more are met soon enough on the way through the run."""


class FileFilter(Record):
    """Which files. Empty means all; `name` is the whole name.

    `host` is where the last change came from, `site` one where something of the file can be read, `since` and `until`
    bound its last change. These narrow the files of a run, or those that are under way.
    """

    run: int | None = None
    state: str | None = None
    phase: str | None = None
    kind: str | None = None
    campaign: str | None = None
    name: str | None = None
    step: str | None = None
    reason_code: str | None = None
    host: str | None = None
    site: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class FileRow(View):
    """A file within a campaign. `item` is the machine's number for it, `attempts` how often it was tried."""

    item: int
    file: int
    run: int
    sequence: int | None
    name: str
    size: int | None
    kind: str
    campaign: str
    state: str
    phase: str
    step: str
    lane: str
    epoch: int
    version: int
    attempts: int
    failures: int
    interrupts: int
    owner: str
    host: str
    job: str
    log: str
    since: datetime
    trouble_since: datetime | None
    not_before: datetime | None
    submitted_at: datetime | None
    lease_until: datetime | None
    actor: str
    reason_code: str
    reason: str


Order = Literal["sequence", "-sequence", "name", "-name"]
"""Ways to sort the files of a run, `-` for falling."""


class _Way(Record):
    """A way to walk: these columns make the key; `falling` turns the direction."""

    columns: tuple[str, ...]
    kinds: tuple[type, ...]
    falling: bool = True


BY_SEQUENCE = _Way(columns=("sequence", "item"), kinds=(int, int), falling=False)
BY_NAME = _Way(columns=("name", "item"), kinds=(str, int), falling=False)
BY_QUEUE = _Way(columns=("step", "lane", "priority", "item"), kinds=(str, str, int, int), falling=False)
BY_CAMPAIGN = _Way(columns=("run_id", "file"), kinds=(int, int))
BY_RUN = _Way(columns=("run_id", "item"), kinds=(int, int))
BY_AGE = _Way(columns=("item",), kinds=(int,))

KEYS: dict[str, ColumnElement[Any]] = {
    "sequence": file.c.sequence,
    "name": file.c.name,
    "item": item.c.id,
    "step": item.c.step,
    "lane": item.c.lane,
    "priority": item.c.priority,
    "run_id": item.c.run_id,
    "file": item.c.file_id,
}


def files(
    conn: Connection, where: FileFilter | None = None, page: Page | None = None, *, order: Order | None = None
) -> Listed[FileRow]:
    """List files; the module says in which order, where no `order` is asked for.

    Where the order is one of items alone, these are chosen before anything is joined to them.
    Raises `TooWideError` for a filter that needs a narrower one, and for an order of more than a run.
    """
    where, page = where or FileFilter(), page or Page()
    found = _resolved(conn, where)
    if found is None:
        return Listed((), "")
    if found.run is None and not found.is_open and where.name is None and _narrowing(where):
        raise TooWideError("host, site, since and until narrow the files of a run, or of a phase or state under way")
    if order is not None and found.run is None:
        raise TooWideError("sort puts the files of a run in order; name one: run=")
    way = _order(where, found, order)
    if found.run is not None or where.name is not None:
        wanted = _narrowed(selected(), where, found)
        if found.run is not None and _are_few(conn, where, found.run):
            wanted = wanted.where(item.c.id == func.any(func.array(_chosen(where, found.run))))
        wanted = _part(wanted, way, page)
    else:
        first = _part(_narrowed(select(item.c.id), where, found), way, page).scalar_subquery()
        wanted = selected().where(item.c.id == func.any(func.array(first))).order_by(*_ordered(way))
    return listed(conn.execute(wanted).all(), page, made, *way.columns)


def _part(wanted: Select[Any], order: _Way, page: Page) -> Select[Any]:
    keys = tuple_(*(KEYS[name] for name in order.columns))
    after = key(page, *order.kinds)
    if after is not None:
        wanted = wanted.where(keys < tuple_(*after) if order.falling else keys > tuple_(*after))
    return wanted.order_by(*_ordered(order)).limit(size(page))


def _ordered(order: _Way) -> list[ColumnElement[Any]]:
    return [KEYS[name].desc() if order.falling else KEYS[name] for name in order.columns]


@cache
def selected() -> Select[Any]:
    """Give the question for files with their items.

    Names are looked up, not joined: the planner takes what is rare among many done files for rarer still, and would
    join it by going through all runs for each.
    """
    tries = select(func.count()).where(attempt.c.item_id == item.c.id).scalar_subquery()
    columns = [
        *(item.c[name] for name in ("kind", "state", "phase", "step", "lane", "epoch", "version", "failures")),
        *(item.c[name] for name in ("interrupts", "owner", "host", "job", "log", "since", "trouble_since")),
        *(item.c[name] for name in ("not_before", "submitted_at", "lease_until", "actor", "reason_code", "reason")),
        *(item.c[name] for name in ("priority", "run_id")),
        item.c.id.label("item"),
        file.c.id.label("file"),
        *(file.c[name] for name in ("sequence", "name", "size")),
        select(run.c.number).where(run.c.id == item.c.run_id).scalar_subquery().label("run"),
        select(campaign.c.name).where(campaign.c.id == item.c.campaign_id).scalar_subquery().label("campaign"),
        tries.label("attempts"),
    ]
    return select(*columns).select_from(item.join(file, file.c.id == item.c.file_id))


def made(row: Row[Any]) -> FileRow:
    """Make a file's record from its row."""
    values = named(row)
    del values["priority"], values["run_id"]
    values["step"] = values["step"] or ""
    values["owner"] = values["owner"] or ""
    return FileRow(**values)


class _Resolved(Record):
    """What a filter's names stand for. `is_open` says that nothing it asks for can be in its last state, `numbered`
    that all files of the run have a sequence number."""

    run: int | None = None
    numbered: bool = True
    campaign: int | None = None
    is_open: bool = False


def _resolved(conn: Connection, where: FileFilter) -> _Resolved | None:
    """Look names up before the list is planned, so that the planner knows how rare they are; none for no match."""
    run_id = campaign_id = None
    numbered = True
    if where.run is not None:
        nameless = select(file.c.id).where(file.c.run_id == run.c.id, file.c.sequence.is_(None)).exists()
        row = conn.execute(select(run.c.id, ~nameless).where(run.c.number == where.run)).first()
        run_id, numbered = row if row is not None else (None, True)
    if where.campaign is not None:
        campaign_id = conn.execute(select(campaign.c.id).where(campaign.c.name == where.campaign)).scalar()
    if (where.run is not None and run_id is None) or (where.campaign is not None and campaign_id is None):
        return None
    under_way = where.step is not None or (where.state is not None and not _is_last(conn, where.state))
    if under_way and where.phase == "done":
        return None
    return _Resolved(
        run=run_id, numbered=numbered, campaign=campaign_id, is_open=under_way or where.phase not in (None, "done")
    )


def _order(where: FileFilter, found: _Resolved, asked: Order | None) -> _Way:
    if found.run is not None:
        by_name = not found.numbered or (asked or "").endswith("name")
        return msgspec.structs.replace(BY_NAME if by_name else BY_SEQUENCE, falling=(asked or "").startswith("-"))
    if where.phase == "ready":
        return BY_QUEUE
    if not found.is_open and where.name is None and where.reason_code is None:
        if found.campaign is not None:
            return BY_CAMPAIGN
        if where.kind is not None:
            return BY_RUN
    return BY_AGE


def _narrowing(where: FileFilter) -> list[ColumnElement[bool]]:
    """Give the conditions that no index serves."""
    wanted = []
    if where.host is not None:
        wanted.append(item.c.host == where.host)
    if where.since is not None:
        wanted.append(item.c.changed_at >= where.since)
    if where.until is not None:
        wanted.append(item.c.changed_at < where.until)
    if where.site is not None:
        here = select(replica.c.id).where(replica.c.file_id == item.c.file_id, replica.c.site == where.site)
        wanted.append(here.where(replica.c.retired_at.is_(None), replica.c.status.in_(GOOD)).exists())
    return wanted


def _narrowed(wanted: Select[Any], where: FileFilter, found: _Resolved) -> Select[Any]:
    wanted = wanted.where(item.c.scope == "file", *_narrowing(where))
    for column, value in (
        (item.c.run_id, found.run),
        (file.c.run_id, found.run),
        (item.c.campaign_id, found.campaign),
        (item.c.state, where.state),
        (item.c.step, where.step),
        (item.c.reason_code, where.reason_code),
        (file.c.name, where.name),
        (item.c.phase, where.phase),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if where.kind is not None:
        wanted = wanted.where(select(run.c.id).where(run.c.id == item.c.run_id, run.c.kind == where.kind).exists())
    if where.phase in TROUBLE:
        return wanted.where(item.c.phase.in_(TROUBLE))
    if where.phase is None and (found.is_open or where.reason_code):
        return wanted.where(_under_way(also_running=found.is_open))
    return wanted


def _are_few(conn: Connection, where: FileFilter, run_id: int) -> bool:
    """Say whether the kept counts promise few such files of a run, so that these are found first and ordered then.

    Walking all of a large run in order is quicker only where most of what is met is wanted.
    """
    if where.state is where.phase is where.step is None:
        return False
    wanted = (
        count.n
        for count in by_run(conn, [run_id])[run_id]
        if count.scope == "file"
        and where.state in (None, count.state)
        and where.phase in (None, count.phase)
        and (where.step is None or count.phase != "done")
    )
    return sum(wanted) <= FEW


def _chosen(where: FileFilter, run_id: int) -> ScalarSelect[int]:
    """Ask for the items of a run that fit, by themselves, so that the planner does not walk the run to find them."""
    own = item.alias("own")
    wanted = select(own.c.id).where(own.c.run_id == run_id, own.c.scope == "file")
    for column, value in ((own.c.state, where.state), (own.c.phase, where.phase), (own.c.step, where.step)):
        if value is not None:
            wanted = wanted.where(column == value)
    if where.phase in TROUBLE:
        wanted = wanted.where(own.c.phase.in_(TROUBLE))
    return wanted.scalar_subquery()


def _under_way(*, also_running: bool) -> ColumnElement[bool]:
    """Name the phases of what is not in its last state, so that the partial indexes serve.

    A reason code stays on a finished item only where a step was skipped; who asks for one wants what is in
    trouble or tried again.
    """
    phases = ("ready", "submitted", "executing") if also_running else ("ready",)
    return or_(*(item.c.phase == phase for phase in phases), item.c.phase.in_(TROUBLE))


def _is_last(conn: Connection, state: str) -> bool:
    """Say whether some pipeline's files end in this state."""
    later = step_rule.alias()
    rule = and_(later.c.pipeline_id == step_rule.c.pipeline_id, later.c.state == state, later.c.scope == "file")
    ends = select(step_rule.c.pipeline_id).where(
        step_rule.c.to_state == state, step_rule.c.scope == "file", ~select(later.c.state).where(rule).exists()
    )
    return conn.execute(ends.limit(1)).first() is not None
