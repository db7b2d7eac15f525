"""Kept counts against recounts."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, text

from .fault import Fault

RECOUNTED = text("""
with kept as (
  select run_id, campaign_id, scope, state, phase, site, sum(n) as n from (
    select run_id, campaign_id, scope, state, phase, site, n from count_total
    union all
    select run_id, campaign_id, scope, state, phase, site, n from count_delta
  ) as both_tables
  group by run_id, campaign_id, scope, state, phase, site having sum(n) <> 0
), counted as (
  select run_id, campaign_id, scope, state, phase, '' as site, count(*) as n from item
  group by run_id, campaign_id, scope, state, phase
  union all
  select run_id, 0, 'replica', role, status, site, count(*) from replica group by run_id, role, status, site
)
select coalesce('run ' || run.number, 'run id ' || run_id) as run, scope, state, phase, site,
  coalesce(kept.n, 0) as kept, coalesce(counted.n, 0) as counted
from kept full join counted using (run_id, campaign_id, scope, state, phase, site)
left join run on run.id = run_id
where coalesce(kept.n, 0) <> coalesce(counted.n, 0)
order by run_id, scope, state, phase, site
""")

WHOLE = text("""
with kept as (
  select campaign_id, scope, state, phase, site, sum(n) as n from count_whole
  group by campaign_id, scope, state, phase, site having sum(n) <> 0
), of_runs as (
  select campaign_id, scope, state, phase, site, sum(n) as n from count_total
  group by campaign_id, scope, state, phase, site having sum(n) <> 0
)
select scope, state, phase, site, coalesce(kept.n, 0) as kept, coalesce(of_runs.n, 0) as counted
from kept full join of_runs using (campaign_id, scope, state, phase, site)
where coalesce(kept.n, 0) <> coalesce(of_runs.n, 0)
order by campaign_id, scope, state, phase, site
""")


def recounted(conn: Connection) -> Iterator[Fault]:
    """Totals plus deltas are what counting items and replicas gives; those of all runs are the sum of the runs'."""
    for row in conn.execute(RECOUNTED):
        yield Fault(code="count-differs", subject=row.run, sentence=_said(row))
    for row in conn.execute(WHOLE):
        yield Fault(code="count-differs", subject="all runs together", sentence=_said(row))


def _said(row: Row[Any]) -> str:
    where = f" at {row.site}" if row.site else ""
    return f"{row.scope} {row.state} {row.phase}{where}: kept {row.kept}, counted {row.counted}"
