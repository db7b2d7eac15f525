"""What pilots used, as the batch system's accounting has it, by their names."""

from datetime import datetime

from sqlalchemy import Connection, text

from .fields import View


class PilotUsage(View):
    """The pilots of one name that were wanted since a time: how long they had a node, and what they made of it.

    `node_hours` are by the batch system's account, else by its times; those that run still are in, until now.
    `cpu_efficiency` is CPU time by time and processors, of those of which it is known. `queue_s` is from being
    submitted to starting: the mean; `queue_most_s` the longest.
    """

    name: str
    pilots: int
    live: int
    refused: int
    node_hours: float
    cpu_hours: float
    cpu_efficiency: float | None
    memory_peak: int | None
    queue_s: float | None
    queue_most_s: float | None


def usage_of_pilots(conn: Connection, since: datetime) -> tuple[PilotUsage, ...]:
    """Say by name what the pilots used that were wanted since then."""
    rows = conn.execute(_PILOTS, {"since": since})
    return tuple(PilotUsage(**row._mapping) for row in rows)


# Accounting may tell nothing, or zero where it has not looked: both are no knowledge. One pilot has one node.
_PILOTS = text("""
with told as (
  select name, status, ended_at,
    greatest(0, coalesce(nullif(cast(usage ->> 'elapsed_s' as double precision), 0),
      extract(epoch from coalesce(ended_at, clock_timestamp()) - started_at), 0)) as elapsed_s,
    nullif(cast(usage ->> 'cpu_s' as double precision), 0) as cpu_s,
    nullif(cast(usage ->> 'cpus' as double precision), 0) as cpus,
    nullif(cast(usage ->> 'memory_peak' as double precision), 0) as memory_peak,
    case when started_at is not null then coalesce(nullif(cast(usage ->> 'queue_s' as double precision), 0),
      extract(epoch from started_at - submitted_at)) end as queue_s
  from pilot where created_at >= :since
)
select name, count(*) as pilots, count(*) filter (where status in ('intended', 'pending', 'running')) as live,
  count(*) filter (where status = 'refused') as refused, cast(sum(elapsed_s) / 3600 as double precision) as node_hours,
  coalesce(sum(cpu_s), 0) / 3600 as cpu_hours,
  sum(cpu_s) filter (where cpus is not null and elapsed_s > 0)
    / nullif(sum(elapsed_s * cpus) filter (where cpu_s is not null), 0) as cpu_efficiency,
  cast(max(memory_peak) as bigint) as memory_peak,
  cast(avg(greatest(queue_s, 0)) filter (where queue_s is not null) as double precision) as queue_s,
  cast(max(greatest(queue_s, 0)) filter (where queue_s is not null) as double precision) as queue_most_s
from told group by name order by name
""")
