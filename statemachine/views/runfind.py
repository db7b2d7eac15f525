"""Runs found by what people ask for: newest first, or those that miss most files first."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, select

from ..lifecycle import Phase
from ..schema import campaign, count_total, item, note, run
from .counts import GOOD, totals
from .paging import Listed, Page, key, listed, size
from .runs import RunFilter, RunRow, counted, selected
from .trouble import having, lacking

NONE = -1


class _Keyed(NamedTuple):
    missing: int
    number: int
    row: RunRow


class RunQuery(RunFilter):
    """Which runs. `flags` say what a run must have (true) or must not (false): one of `trouble.TESTS`, or `waived`.

    `reason_code` is that of a file in trouble, `note` a part of what somebody wrote of the run or a file of it.
    `order` is `-number` or `number`, or `-missing`: those that miss most files first.
    """

    flags: tuple[tuple[str, bool], ...] = ()
    note: str | None = None


def find_runs(conn: Connection, where: RunQuery, page: Page | None = None) -> Listed[RunRow]:
    """List the runs that fit, with their counts."""
    page = page or Page()
    tests = _tests(conn, where)
    if tests is None:
        return Listed((), "")
    if where.order == "-missing":
        return _missing_first(conn, tests, page)
    number, after = run.c.number, key(page, int)
    rising = where.order == "number"
    if after is not None:
        tests.append(number > after[0] if rising else number < after[0])
    wanted = selected().where(*tests).order_by(number if rising else number.desc()).limit(size(page))
    return counted(conn, conn.execute(wanted).all(), page)


def unknown_runs(conn: Connection, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Give those of the numbers that no run has, in the order given."""
    known = set(conn.execute(select(run.c.number).where(run.c.number == func.any(list(numbers)))).scalars())
    return tuple(number for number in numbers if number not in known)


def _tests(conn: Connection, where: RunQuery) -> list[ColumnElement[bool]] | None:
    """Give the conditions, each of which an index answers; none where nothing can fit."""
    tests: list[ColumnElement[bool]] = []
    if where.numbers:
        tests.append(run.c.number == func.any(list(where.numbers)))
    for column, value in ((run.c.kind, where.kind), (run.c.quality, where.quality)):
        if value is not None:
            tests.append(column == value)
    if where.campaign is not None:
        tests.append(
            run.c.campaign_id == select(campaign.c.id).where(campaign.c.name == where.campaign).scalar_subquery()
        )
    if where.state is not None or where.phase is not None:
        tests.append(run.c.id.in_(_standing(where)))
    if where.reason_code is not None:
        tests.append(run.c.id.in_(_reasoned(where.reason_code)))
    if where.note is not None:
        tests.append(run.c.id.in_(select(note.c.run_id).where(note.c.text.icontains(where.note, autoescape=True))))
    if where.site is not None:
        if not any(count.site == where.site for count in totals(conn, scope=("replica",))):
            return None
        tests.append(_at(where.site))
    return tests + [_flag(conn, name, has=has) for name, has in where.flags]


def _standing(where: RunQuery) -> Select[Any]:
    phases = [where.phase] if where.phase is not None else [str(phase) for phase in Phase]
    its = run.alias("its")
    wanted = select(item.c.run_id).join(its, (its.c.id == item.c.run_id) & (its.c.campaign_id == item.c.campaign_id))
    wanted = wanted.where(item.c.scope == "run", item.c.phase.in_(phases))
    return wanted if where.state is None else wanted.where(item.c.state == where.state)


def _reasoned(code: str) -> Select[Any]:
    trouble = (Phase.FAILED, Phase.HELD, Phase.ABANDONED)
    return select(item.c.run_id).where(item.c.phase.in_([str(phase) for phase in trouble]), item.c.reason_code == code)


def _at(site: str) -> ColumnElement[bool]:
    """What is not folded yet is looked past: it is a second old at most."""
    total = count_total.c
    good = select(total.run_id).where(total.run_id == run.c.id, total.scope == "replica", total.site == site)
    return good.where(total.phase.in_(GOOD), total.n > 0).exists()


def _flag(conn: Connection, name: str, *, has: bool) -> ColumnElement[bool]:
    if name == "waived":
        return run.c.waived > 0 if has else run.c.waived == 0
    ids = having(conn, name) or [NONE]
    return run.c.id == func.any(ids) if has else run.c.id != func.all(ids)


def _missing_first(conn: Connection, tests: list[ColumnElement[bool]], page: Page) -> Listed[RunRow]:
    """Those that miss files are few, and sorted; the others follow, newest first, down the index."""
    after = key(page, int, int)
    short = lacking(conn)
    rows: list[tuple[int, int, int]] = []
    if after is None or after[0] > 0:
        fit = select(run.c.id, run.c.number).where(run.c.id == func.any(list(short)), *tests)
        found = ((short[row.id], row.number, row.id) for row in conn.execute(fit))
        rows = sorted((each for each in found if after is None or each[:2] < after), reverse=True)[: size(page)]
    if len(rows) < size(page):
        others = select(run.c.number, run.c.id).where(run.c.id != func.all(list(short) or [NONE]), *tests)
        if after is not None and after[0] == 0:
            others = others.where(run.c.number < after[1])
        ordered = others.order_by(run.c.number.desc()).limit(size(page) - len(rows))
        rows += [(0, row.number, row.id) for row in conn.execute(ordered)]
    return _in_order(conn, rows, page)


def _in_order(conn: Connection, keys: list[tuple[int, int, int]], page: Page) -> Listed[RunRow]:
    wanted = selected().where(run.c.id == func.any([each[2] for each in keys]))
    by_number = {row.number: row for row in conn.execute(wanted)}
    rows = counted(conn, [by_number[number] for _, number, _ in keys], Page(limit=size(page))).rows
    shown: Any = [_Keyed(missing, number, row) for (missing, number, _), row in zip(keys, rows, strict=True)]
    return listed(shown, page, lambda pair: pair.row, "missing", "number")
