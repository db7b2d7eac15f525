"""Runs found by what people ask for: newest first, or those that miss most files first."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, false, func, select, tuple_

from ..lifecycle import Phase
from ..records import Record
from ..schema import campaign, count_delta, count_total, item, note, run
from . import trouble
from .counts import GOOD, totals
from .incomplete import incomplete
from .paging import Listed, Page, among, key, listed, size
from .runs import RunRow, began, counted, selected
from .trouble import having, holds, lacking

Order = Literal["-number", "number", "-started", "started", "-missing"]
"""Ways to sort runs, `-` for falling; `-missing` has those that miss most files first, then the others."""


STOPPED = "more than {:,} runs are not done: what misses files may stand among the others, behind those counted"


class _Keyed(NamedTuple):
    missing: int
    number: int
    row: RunRow


class RunFilter(Record):
    """Which runs, in which order. Empty means all; `state` and `phase` are those of the run itself.

    `reason_code` is that of the run's own item or of a file in trouble, `note` a part of what somebody wrote of the run
    or a file of it. `since` and `until` bound the start of the run, `until` not included. `site` keeps those of which
    something can be read there, `incomplete` those of which not all files are here, be they missing or to come.
    `flags` say what a run must have (true) or must not (false): one of `trouble.TESTS`, or `waived`.
    """

    numbers: tuple[int, ...] = ()
    kind: str | None = None
    campaign: str | None = None
    state: str | None = None
    phase: str | None = None
    quality: str | None = None
    reason_code: str | None = None
    note: str | None = None
    site: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    incomplete: bool = False
    flags: tuple[tuple[str, bool], ...] = ()
    order: Order = "-number"


def runs(conn: Connection, where: RunFilter | None = None, page: Page | None = None) -> Listed[RunRow]:
    """List the runs that fit, with their counts."""
    where, page = where or RunFilter(), page or Page()
    tests = _tests(conn, where)
    if where.order == "-missing":
        return _missing_first(conn, tests, page)
    falling, by_start = where.order.startswith("-"), where.order.endswith("started")
    columns = (began, run.c.number) if by_start else (run.c.number,)
    after = key(page, datetime, int) if by_start else key(page, int)
    if after is not None:
        keys = tuple_(*columns)
        tests.append(keys < tuple_(*after) if falling else keys > tuple_(*after))
    wanted = selected().where(*tests).order_by(*(column.desc() if falling else column for column in columns))
    rows = conn.execute(wanted.limit(size(page))).all()
    return counted(conn, rows, page, *(("began", "number") if by_start else ("number",)))


def unknown_runs(conn: Connection, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Give those of the numbers that no run has, in the order given."""
    known = set(conn.execute(select(run.c.number).where(run.c.number == func.any(among(numbers)))).scalars())
    return tuple(number for number in numbers if number not in known)


def _tests(conn: Connection, where: RunFilter) -> list[ColumnElement[bool]]:
    """Give the conditions, each of which an index answers."""
    tests = _own(where)
    if where.state is not None or where.phase is not None:
        tests.append(run.c.id.in_(_standing(where)))
    if where.reason_code is not None:
        tests.append(run.c.id.in_(_reasoned(where.reason_code)))
    if where.note is not None:
        tests.append(run.c.id.in_(select(note.c.run_id).where(note.c.text.icontains(where.note, autoescape=True))))
    if where.site is not None:
        tests.append(_at(where.site) if _known(conn, where.site) else false())
    if where.incomplete:
        tests.append(run.c.id == func.any(among(incomplete(conn))))
    return tests + [_flag(conn, name, has=has) for name, has in where.flags]


def _own(where: RunFilter) -> list[ColumnElement[bool]]:
    """Give the conditions on the run's own row."""
    named = select(campaign.c.id).where(campaign.c.name == where.campaign).scalar_subquery()
    equal = (
        (run.c.kind, where.kind),
        (run.c.quality, where.quality),
        (run.c.campaign_id, named if where.campaign is not None else None),
    )
    tests = [column == value for column, value in equal if value is not None]
    if where.numbers:
        tests.append(run.c.number == func.any(among(where.numbers)))
    if where.since is not None:
        tests.append(began >= where.since)
    if where.until is not None:
        tests.append(began < where.until)
    return tests


def _standing(where: RunFilter) -> Select[Any]:
    phases = [where.phase] if where.phase is not None else [str(phase) for phase in Phase]
    its = run.alias("its")
    wanted = select(item.c.run_id).join(its, (its.c.id == item.c.run_id) & (its.c.campaign_id == item.c.campaign_id))
    wanted = wanted.where(item.c.scope == "run", item.c.phase.in_(phases))
    return wanted if where.state is None else wanted.where(item.c.state == where.state)


def _reasoned(code: str) -> Select[Any]:
    trouble = (Phase.FAILED, Phase.HELD, Phase.ABANDONED)
    return select(item.c.run_id).where(item.c.phase.in_([str(phase) for phase in trouble]), item.c.reason_code == code)


def _known(conn: Connection, site: str) -> bool:
    """Say whether anything lies at a site at all; else each run would be looked at in vain."""
    return any(count.site == site for count in totals(conn, scope=("replica",)))


def _at(site: str) -> ColumnElement[bool]:
    """What is not folded yet is few, and counts as well."""
    kept = [_good(table, site).where(table.c.run_id == run.c.id).exists() for table in (count_total, count_delta)]
    return kept[0] | kept[1]


def _good(table: Any, site: str) -> Select[Any]:
    good = select(table.c.run_id).where(table.c.scope == "replica", table.c.site == site)
    return good.where(table.c.phase.in_(GOOD), table.c.n > 0)


def _flag(conn: Connection, name: str, *, has: bool) -> ColumnElement[bool]:
    if name == "waived":
        return run.c.waived > 0 if has else run.c.waived == 0
    ids = having(conn, name)
    if ids is None:
        return holds(name) if has else ~holds(name)
    return run.c.id == func.any(among(ids)) if has else run.c.id != func.all(among(ids))


def _missing_first(conn: Connection, tests: list[ColumnElement[bool]], page: Page) -> Listed[RunRow]:
    """Those that miss files are few, and sorted; the others follow, newest first, down the index."""
    after = key(page, int, int)
    short, stopped = lacking(conn)
    rows: list[tuple[int, int, int]] = []
    if after is None or after[0] > 0:
        fit = select(run.c.id, run.c.number).where(run.c.id == func.any(among(short)), *tests)
        found = ((short[row.id], row.number, row.id) for row in conn.execute(fit))
        rows = sorted((each for each in found if after is None or each[:2] < after), reverse=True)[: size(page)]
    if len(rows) < size(page):
        others = select(run.c.number, run.c.id).where(run.c.id != func.all(among(short)), *tests)
        if after is not None and after[0] == 0:
            others = others.where(run.c.number < after[1])
        ordered = others.order_by(run.c.number.desc()).limit(size(page) - len(rows))
        rows += [(0, row.number, row.id) for row in conn.execute(ordered)]
    return _in_order(conn, rows, page)._replace(note=STOPPED.format(trouble.MOST) if stopped else "")


def _in_order(conn: Connection, keys: list[tuple[int, int, int]], page: Page) -> Listed[RunRow]:
    wanted = selected().where(run.c.id == func.any(among([each[2] for each in keys])))
    by_number = {row.number: row for row in conn.execute(wanted)}
    rows = counted(conn, [by_number[number] for _, number, _ in keys], Page(limit=size(page))).rows
    shown: Any = [_Keyed(missing, number, row) for (missing, number, _), row in zip(keys, rows, strict=True)]
    return listed(shown, page, lambda pair: pair.row, "missing", "number")
