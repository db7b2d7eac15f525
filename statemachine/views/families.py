"""Failures as families: attempts that failed and say the same, since when, how often, and what they have in common."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Select, cast, func, select, text, tuple_

from ..schema import attempt, campaign, failure_family, item, measure_failure, run
from .common import Common, Trait, common
from .fields import View
from .latency import SPANS
from .paging import Listed, Page, key, listed, size

SAMPLE = 100
"""How many of a family's latest failures are looked at one by one; the number of all of them is kept."""
NEAR = 4000
"""Of a campaign: how many of the latest are looked through for its own."""
SUCCESSES = 500


class FamilyFilter(View):
    """Which failures: of the last `hours`, of a run, a campaign, a step, with a reason code; or one family."""

    hours: int = 24
    run: int | None = None
    campaign: str | None = None
    step: str | None = None
    reason_code: str | None = None
    family: str | None = None


class FamilyRow(View):
    """Failures that say the same. `n` of them were in the time asked for, `total` ever, since `onset`.

    The latest `looked_at` were looked at: of so many `runs` and `files`, the latest of `example_file` (its number) in
    `example_run`, which said `example`; `common` is what they have in common, and successes have not.
    """

    family: str
    step: str
    reason_code: str
    template: str
    n: int
    total: int
    onset: datetime
    last: datetime
    looked_at: int
    runs: int
    files: int
    example: str
    example_file: int | None
    example_name: str
    example_run: int | None
    common: tuple[Common, ...]


def families(conn: Connection, where: FamilyFilter | None = None, page: Page | None = None) -> Listed[FamilyRow]:
    """List families of failures, the most frequent first."""
    where, page = where or FamilyFilter(), page or Page()
    since = func.statement_timestamp() - timedelta(hours=where.hours)
    counted = (_of_run(where, since) if where.run is not None else _of_all(where, since)).subquery("counted")
    keys = tuple_(counted.c.n, counted.c.family)
    wanted = select(
        failure_family, failure_family.c.n.label("total"), counted.c.n.label("hits"), since.label("since")
    ).join(counted, counted.c.family == failure_family.c.family)
    after = key(page, int, str)
    if after is not None:
        wanted = wanted.where(keys < tuple_(*after))
    rows = conn.execute(wanted.order_by(counted.c.n.desc(), counted.c.family.desc()).limit(size(page))).all()
    looked = _looked_at(conn, rows, where)
    worked = _successes(conn, rows)

    def make(row: Row[Any]) -> FamilyRow:
        return _made(row, looked.get(row.family, []), worked.get(row.step, []))

    return listed(rows, page, make, "hits", "family")


def _of_all(where: FamilyFilter, since: ColumnElement[datetime]) -> Select[Any]:
    """Count from the kept measures."""
    table = measure_failure.c
    wanted = select(table.family, cast(func.sum(table.n), BigInteger).label("n")).where(
        table.span.in_(SPANS), table.at >= since
    )
    if where.campaign is not None:
        wanted = wanted.join(campaign, campaign.c.id == table.campaign_id).where(campaign.c.name == where.campaign)
    if where.family is not None:
        wanted = wanted.where(table.family == where.family)
    return _chosen(wanted.group_by(table.family), where)


def _of_run(where: FamilyFilter, since: ColumnElement[datetime]) -> Select[Any]:
    """Count a run's attempts: they are few."""
    number = select(run.c.id).where(run.c.number == where.run).scalar_subquery()
    wanted = (
        select(attempt.c.family, func.count().label("n"))
        .join(item, item.c.id == attempt.c.item_id)
        .where(item.c.run_id == number, attempt.c.family.is_not(None), attempt.c.ended_at >= since)
    )
    if where.campaign is not None:
        wanted = wanted.join(campaign, campaign.c.id == item.c.campaign_id).where(campaign.c.name == where.campaign)
    if where.family is not None:
        wanted = wanted.where(attempt.c.family == where.family)
    return _chosen(wanted.group_by(attempt.c.family), where)


def _chosen(wanted: Select[Any], where: FamilyFilter) -> Select[Any]:
    names = {"step": where.step, "reason_code": where.reason_code}
    asked = [failure_family.c[name] == value for name, value in names.items() if value is not None]
    counted = wanted.subquery("each")
    outer = select(counted.c.family, counted.c.n)
    return outer.join(failure_family, failure_family.c.family == counted.c.family).where(*asked) if asked else outer


def _looked_at(conn: Connection, rows: Sequence[Row[Any]], where: FamilyFilter) -> dict[str, list[Any]]:
    """Give the latest attempts of each family, at most `SAMPLE` of one: a probe of an index for each family."""
    if not rows:
        return {}
    names = [row.family for row in rows]
    asked = {"names": names, "campaign": where.campaign, "since": rows[0].since, "most": SAMPLE}
    narrow = {"near": NEAR if where.campaign else SAMPLE} if where.run is None else {"run": where.run}
    found: dict[str, list[Any]] = {}
    for row in conn.execute(LOOKED if where.run is None else LOOKED_OF_RUN, {**asked, **narrow}):
        found.setdefault(row.family, []).append(row)
    return found


def _successes(conn: Connection, rows: Sequence[Row[Any]]) -> dict[str, list[Trait]]:
    """Give where the latest successes of each family's step ran."""
    found: dict[str, list[Trait]] = {}
    if rows:
        steps = sorted({row.step for row in rows})
        for row in conn.execute(SUCCEEDED, {"steps": steps, "since": rows[0].since, "most": SUCCESSES}):
            found.setdefault(row.step, []).append(_trait(row))
    return found


def _made(row: Row[Any], looked: Sequence[Row[Any]], worked: Sequence[Trait]) -> FamilyRow:
    latest = looked[0] if looked else None
    return FamilyRow(
        family=row.family,
        step=row.step,
        reason_code=row.reason_code,
        template=row.template,
        n=row.hits,
        total=row.total,
        onset=row.onset,
        last=row.last_at,
        looked_at=len(looked),
        runs=len({each.run_id for each in looked}),
        files=len({each.file_id for each in looked if each.file_id is not None}),
        example=latest.reason if latest else "",
        example_file=latest.file_id if latest else None,
        example_name=(latest.name or "") if latest else "",
        example_run=latest.number if latest else None,
        common=common([_trait(each) for each in looked], worked),
    )


def _trait(row: Row[Any]) -> Trait:
    return Trait(host=row.host, site=row.log_site, worker=row.owner, software=row.version or "")


SUCCEEDED = text("""
select asked.step, a.host, a.log_site, a.owner, p.version
from unnest(cast(:steps as text[])) as asked(step)
cross join lateral (select host, log_site, owner from attempt
  where step = asked.step and ended_at >= :since and outcome = 'succeeded' order by ended_at desc limit :most) a
left join process p on p.owner = a.owner
""")
LOOKED = text("""
select e.family, e.host, e.log_site, e.owner, e.reason, e.run_id, e.file_id, p.version, f.name, run.number
from unnest(cast(:names as text[])) as asked(family)
cross join lateral (
  select a.family, a.host, a.log_site, a.owner, a.reason, a.ended_at, i.run_id, i.file_id
  from (select * from attempt where family = asked.family and ended_at >= :since order by ended_at desc limit :near) a
  join item i on i.id = a.item_id
  where cast(:campaign as text) is null or i.campaign_id = (select id from campaign where name = :campaign)
  order by a.ended_at desc limit :most
) e
join run on run.id = e.run_id left join file f on f.id = e.file_id left join process p on p.owner = e.owner
order by e.family, e.ended_at desc
""")
LOOKED_OF_RUN = text("""
select e.family, e.host, e.log_site, e.owner, e.reason, e.run_id, e.file_id, p.version, f.name, e.number
from (
  select a.*, i.run_id, i.file_id, run.number,
    row_number() over (partition by a.family order by a.ended_at desc) as place
  from run join item i on i.run_id = run.id join attempt a on a.item_id = i.id
  where run.number = :run and a.family = any(:names) and a.ended_at >= :since
    and (cast(:campaign as text) is null or i.campaign_id = (select id from campaign where name = :campaign))
) e
left join file f on f.id = e.file_id left join process p on p.owner = e.owner
where e.place <= :most order by e.family, e.ended_at desc
""")
