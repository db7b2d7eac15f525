"""The work of each step, for those who start workers: what waits and may go out, what runs, how long one takes.

Asked every few seconds, over any backlog: of each queue only the head is looked at; what lies behind it is known from
the kept counts.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select, text

from ..lanes import LANES
from ..piloting import StepDemand
from ..schema import campaign, measure_latency, pause, step_rule
from ..store.pauses import blocked_by_sites, paused_sites
from .counts import totals
from .latency import Quantiles, quantiles

HEAD = 2_000
"""How many items at the head of a queue are looked at."""
MINUTES = 5
"""Over so many whole minutes the rate is taken."""
LATELY = timedelta(hours=1)
BEFORE = timedelta(days=7)
"""Where a step was not done lately, how long it took in the week before says more than nothing."""


def demand(conn: Connection) -> tuple[StepDemand, ...]:
    """Give the demand of each step, by its name."""
    steps = sorted(set(conn.execute(select(step_rule.c.step).distinct()).scalars()))
    rests = {(row.what, row.name) for row in conn.execute(select(pause.c.what, pause.c.name))}
    blocked = _blocked(conn, steps)
    queues = _queues(conn, steps, blocked)
    ready = _kept(conn) if any(row.looked >= HEAD for row in queues) else {}
    numbers = {row.step: row for row in conn.execute(NUMBERS, {"minutes": MINUTES})}
    large = _large(conn, rests, blocked)
    took = _took(conn, steps)
    waiting = {step: _waiting(step, queues, ready.get(step, 0), rests) for step in steps}
    return tuple(
        StepDemand(
            step=step,
            waiting=sum(waiting[step].values()),
            bulk=waiting[step].get("bulk", 0),
            large=0 if ("step", step) in rests else large.get(step, 0),
            executing=numbers[step].executing if step in numbers else 0,
            mean_s=(took[step].mean if step in took else None) or 0.0,
            p95_s=(took[step].p95 if step in took else None) or 0.0,
            done_per_minute=numbers[step].per_minute if step in numbers else 0.0,
        )
        for step in steps
    )


def _waiting(step: str, queues: Iterable[Row[Any]], kept: int, rests: set[tuple[str, str]]) -> dict[str, int]:
    """Count a step's work by lane; of a long queue, as much of what lies behind its head may go out as of the head.

    The kept counts know no lanes: where both queues are long, half of what lies behind the heads is taken for each.
    """
    if ("step", step) in rests:
        return {}
    own = [row for row in queues if row.step == step]
    long = [row for row in own if row.looked >= HEAD]
    behind = max(0, kept - sum(row.standing for row in own)) / (len(long) or 1)
    return {
        row.lane: row.due + row.submitted + (int(behind * _share(row)) if row in long else 0)
        for row in own
        if ("lane", row.lane) not in rests
    }


def _share(row: Row[Any]) -> float:
    return row.due / row.standing if row.standing else 1.0


def _blocked(conn: Connection, steps: Iterable[str]) -> str:
    """Give what would be written to a site that is paused, as JSON: step, pipeline, run type."""
    sites = paused_sites(conn)
    rows = [{"step": step, **each} for step in steps for each in blocked_by_sites(conn, sites, step)]
    return msgspec.json.encode(rows).decode()


def _queues(conn: Connection, steps: list[str], blocked: str) -> list[Row[Any]]:
    values = {"steps": steps, "lanes": list(LANES), "head": HEAD, "blocked": blocked}
    return list(conn.execute(QUEUES, values).all())


def _large(conn: Connection, rests: set[tuple[str, str]], blocked: str) -> dict[str, int]:
    lanes = [lane for lane in LANES if ("lane", lane) not in rests]
    rows = conn.execute(LARGE, {"lanes": lanes, "head": HEAD, "blocked": blocked})
    return {row.step: row.n for row in rows}


def _kept(conn: Connection) -> dict[str, int]:
    """Count what is ready by step, without campaigns that are paused."""
    rules = conn.execute(
        select(campaign.c.id, step_rule.c.scope, step_rule.c.state, step_rule.c.step)
        .join(step_rule, step_rule.c.pipeline_id == campaign.c.pipeline_id)
        .where(campaign.c.status != "paused")
    )
    steps = {(row.id, row.scope, row.state): row.step for row in rules}
    found: dict[str, int] = {}
    for count in totals(conn, scope=("file", "run")):
        step = steps.get((count.campaign_id, count.scope, count.state))
        if step is not None and count.phase == "ready":
            found[step] = found.get(step, 0) + count.n
    return found


def _took(conn: Connection, steps: list[str]) -> Mapping[str, Quantiles]:
    """Give how long each step took lately; of one that was not done lately, how long in the week before."""
    lately = _took_since(conn, steps, LATELY)
    missing = [step for step in steps if step not in lately]
    return {**(_took_since(conn, missing, BEFORE) if missing else {}), **lately}


def _took_since(conn: Connection, steps: list[str], back: timedelta) -> dict[str, Quantiles]:
    table = measure_latency.c
    wanted = (
        select(table.step, table.bucket, func.sum(table.n).label("n"), func.sum(table.seconds).label("seconds"))
        .where(table.what == "working", table.span.in_((5, 60)), table.at >= func.clock_timestamp() - back)
        .where(table.step.in_(steps))
        .group_by(table.step, table.bucket)
    )
    found: dict[str, list[Any]] = {}
    for row in conn.execute(wanted):
        found.setdefault(row.step, []).append(row)
    return {step: quantiles(rows) for step, rows in found.items()}


QUEUES = text("""
with blocked as (
  select * from jsonb_to_recordset(cast(:blocked as jsonb)) as b(step text, pipeline_id bigint, kind text)
)
select s.step, l.lane, head.looked, head.standing, head.due, sent.n as submitted
from unnest(cast(:steps as text[])) as s(step) cross join unnest(cast(:lanes as text[])) as l(lane)
cross join lateral (
  select count(*) as looked, count(*) filter (where c.status <> 'paused') as standing,
    count(*) filter (where c.status <> 'paused' and (i.not_before is null or i.not_before <= clock_timestamp())
      and not exists (select from blocked b where b.step = s.step and b.pipeline_id = i.pipeline_id
        and b.kind = i.kind)) as due
  from (select campaign_id, pipeline_id, kind, not_before from item
    where phase = 'ready' and step = s.step and lane = l.lane order by priority, id limit :head) i
  join campaign c on c.id = i.campaign_id
) head
cross join lateral (
  select count(*) as n from (select from item
    where phase = 'submitted' and step = s.step and lane = l.lane limit :head) as each
) sent
""")
"""The head of each queue: items that were looked at, those of campaigns that are not paused, those that may go out."""
LARGE = text("""
with blocked as (
  select * from jsonb_to_recordset(cast(:blocked as jsonb)) as b(step text, pipeline_id bigint, kind text)
)
select i.step, count(*) as n from (
  select step, campaign_id, pipeline_id, kind, phase, not_before from item
  where phase in ('ready', 'submitted') and request <> '{}' and lane = any(:lanes) limit :head
) i join campaign c on c.id = i.campaign_id
where i.phase = 'submitted' or (c.status <> 'paused' and (i.not_before is null or i.not_before <= clock_timestamp())
  and not exists (select from blocked b where b.step = i.step and b.pipeline_id = i.pipeline_id and b.kind = i.kind))
group by i.step
""")
NUMBERS = text("""
with doing as (
  select step, count(*) as n from item where phase = 'executing' group by step
), done as (
  select step, cast(sum(done) as double precision) / :minutes as n from measure_rate
  where span = 1 and at >= date_bin('1 minute', clock_timestamp(), 'epoch') - make_interval(mins => :minutes)
    and at < date_bin('1 minute', clock_timestamp(), 'epoch')
  group by step
)
select step, coalesce(doing.n, 0) as executing, coalesce(done.n, 0) as per_minute
from doing full join done using (step)
""")
"""What executes and what was done lately: both short."""
