"""Attempts at items, the latest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, tuple_

from ..records import Record
from ..schema import attempt, campaign, file, item, pilot, run
from .fields import View
from .paging import Listed, Page, key, listed, named, size


class AttemptFilter(Record):
    """Which attempts. `running` asks for those that have not ended; else those that have, latest end first.

    `since` and `until` bound when they ended. `pilot` asks for those that its workers made, by its job.
    """

    run: int | None = None
    file: int | None = None
    item: int | None = None
    step: str | None = None
    outcome: str | None = None
    reason_code: str | None = None
    host: str | None = None
    job: str | None = None
    pilot: int | None = None
    running: bool = False
    since: datetime | None = None
    until: datetime | None = None


class AttemptRow(View):
    """One attempt. `file` is the file's name, empty for a run-scope step; `usage` as the worker measured it."""

    item: int
    epoch: int
    run: int
    file: str
    campaign: str
    step: str
    owner: str
    host: str
    job: str
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    reason_code: str
    reason: str
    log_site: str
    log: str
    usage: dict[str, Any]


def attempts(
    conn: Connection, where: AttemptFilter | None = None, page: Page | None = None, *, falling: bool = True
) -> Listed[AttemptRow]:
    """List attempts: of a run or file in the order of items, else by when they ended; the latest first if `falling`."""
    where, page = where or AttemptFilter(), page or Page()
    if where.run is not None or where.file is not None or where.item is not None or where.running:
        return _by_item(conn, _narrowed(where), page, falling=falling)
    return _by_end(conn, _narrowed(where).where(attempt.c.ended_at.is_not(None)), page, falling=falling)


def attempt_of(conn: Connection, item_id: int, epoch: int) -> AttemptRow | None:
    """Give one attempt, by its item and its epoch."""
    row = conn.execute(_selected().where(attempt.c.item_id == item_id, attempt.c.epoch == epoch)).one_or_none()
    return _made(row) if row is not None else None


def attempts_of(conn: Connection, items: Sequence[int], most: int = 1000) -> tuple[AttemptRow, ...]:
    """Give the latest attempts at these items, oldest first."""
    wanted = _selected().where(attempt.c.item_id.in_(items))
    rows = conn.execute(wanted.order_by(attempt.c.item_id.desc(), attempt.c.epoch.desc()).limit(most)).all()
    return tuple(_made(row) for row in reversed(rows))


def _by_item(conn: Connection, wanted: Select[Any], page: Page, *, falling: bool) -> Listed[AttemptRow]:
    columns = (attempt.c.item_id, attempt.c.epoch)
    after = key(page, int, int)
    if after is not None:
        wanted = wanted.where(_behind(columns, after, falling=falling))
    ordered = wanted.order_by(*(column.desc() if falling else column for column in columns))
    return listed(conn.execute(ordered.limit(size(page))).all(), page, _made, "item", "epoch")


def _by_end(conn: Connection, wanted: Select[Any], page: Page, *, falling: bool) -> Listed[AttemptRow]:
    ended = attempt.c.ended_at
    columns = (ended, attempt.c.item_id, attempt.c.epoch)
    after = key(page, datetime, int, int)
    if after is not None:  # the first column by itself too, for the index is of it alone
        near = ended <= after[0] if falling else ended >= after[0]
        wanted = wanted.where(_behind(columns, after, falling=falling), near)
    ordered = wanted.order_by(*(column.desc() if falling else column for column in columns))
    return listed(conn.execute(ordered.limit(size(page))).all(), page, _made, "ended_at", "item", "epoch")


def _behind(columns: tuple[ColumnElement[Any], ...], after: tuple[Any, ...], *, falling: bool) -> ColumnElement[bool]:
    """Ask for what follows the last row of the page before."""
    return tuple_(*columns) < tuple_(*after) if falling else tuple_(*columns) > tuple_(*after)


def _selected() -> Select[Any]:
    names = ("epoch", "step", "owner", "host", "job", "started_at", "ended_at", "outcome", "reason_code", "reason")
    columns = [
        attempt.c.item_id.label("item"),
        *(attempt.c[name] for name in (*names, "log_site", "log", "usage")),
        run.c.number.label("run"),
        file.c.name.label("file"),
        campaign.c.name.label("campaign"),
    ]
    tables = (
        attempt.join(item, item.c.id == attempt.c.item_id)
        .join(run, run.c.id == item.c.run_id)
        .join(campaign, campaign.c.id == item.c.campaign_id)
        .outerjoin(file, file.c.id == item.c.file_id)
    )
    return select(*columns).select_from(tables)


def _narrowed(where: AttemptFilter) -> Select[Any]:
    wanted = _selected()
    if where.run is not None:
        number = select(run.c.id).where(run.c.number == where.run).scalar_subquery()
        wanted = wanted.where(item.c.run_id == number)
    if where.running:
        # Only what executes can have a running attempt, and that index is short.
        wanted = wanted.where(attempt.c.outcome == "running", item.c.phase == "executing")
    if where.pilot is not None:
        wanted = wanted.where(*_of_pilot(where.pilot))
    if where.reason_code is not None:
        # What succeeded has no reason, and what did not is few.
        wanted = wanted.where(attempt.c.outcome != "succeeded")
    if where.since is not None:
        wanted = wanted.where(attempt.c.ended_at >= where.since)
    if where.until is not None:
        wanted = wanted.where(attempt.c.ended_at < where.until)
    for column, value in (
        (attempt.c.item_id, where.item),
        (item.c.file_id, where.file),
        (attempt.c.step, where.step),
        (attempt.c.outcome, where.outcome),
        (attempt.c.reason_code, where.reason_code),
        (attempt.c.host, where.host),
        (attempt.c.job, where.job),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    return wanted


def _of_pilot(number: int) -> tuple[ColumnElement[bool], ...]:
    """Ask for the attempts of a pilot's job. Numbers of jobs come again: only those since it was written down."""
    job, began = (
        select(column).where(pilot.c.id == number).scalar_subquery() for column in (pilot.c.job, pilot.c.created_at)
    )
    since = func.coalesce(attempt.c.ended_at, attempt.c.started_at) >= began
    return attempt.c.job == job, attempt.c.job != "", since


def _made(row: Row[Any]) -> AttemptRow:
    values = named(row)
    values["file"] = values["file"] or ""
    return AttemptRow(**values)
