"""How work flows through each step and lane: what has waited longest, and how many are done a minute."""

from datetime import datetime

from sqlalchemy import Connection, text

from ..lanes import LANES
from .fields import View

HEAD = 100
"""How many items at the head of a queue are looked at for the one that has waited longest."""
MINUTES = 5
"""Over so many whole minutes the rate is taken: one alone says little of long steps."""


class FlowRow(View):
    """A step's lane: since when the oldest at its head has waited, and how many were done a minute of late."""

    step: str
    lane: str
    oldest: datetime | None
    per_minute: float


def flow(conn: Connection) -> tuple[FlowRow, ...]:
    """Give all steps and lanes in which something waits or was done."""
    values = {"lanes": list(LANES), "head": HEAD, "minutes": MINUTES}
    return tuple(FlowRow(**row._mapping) for row in conn.execute(FLOW, values))


FLOW = text("""
with lanes as (
  select s.step, l.lane from (select distinct step from step_rule) s
  cross join unnest(cast(:lanes as text[])) as l(lane)
), waits as (
  select lanes.step, lanes.lane, min(head.since) as oldest from lanes cross join lateral (
    select i.since from item i
    where i.phase = 'ready' and i.step = lanes.step and i.lane = lanes.lane
      and (i.not_before is null or i.not_before <= clock_timestamp())
    order by i.priority, i.id limit :head
  ) head group by lanes.step, lanes.lane
), done as (
  select step, lane, cast(sum(done) as double precision) / :minutes as n from measure_rate
  where span = 1 and at >= date_bin('1 minute', clock_timestamp(), 'epoch') - make_interval(mins => :minutes)
    and at < date_bin('1 minute', clock_timestamp(), 'epoch')
  group by step, lane
)
select lanes.step, lanes.lane, waits.oldest, coalesce(done.n, 0) as per_minute
from lanes left join waits using (step, lane) left join done using (step, lane)
where waits.oldest is not null or done.n > 0
order by lanes.step, lanes.lane
""")
