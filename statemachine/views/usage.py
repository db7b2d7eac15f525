"""What steps used: time, CPU time, memory, time in the queue. Of a run from its attempts, else from the kept sums."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Row, Select, column, func, not_, null, select, text, tuple_

from ..schema import campaign, measure_rate, run
from .fields import View

MEASURED = ("wall_s", "cpu_s", "memory_peak", "queue_s")
SPANS = (1, 60, 24 * 60)
"""All spans that rates are kept in, in minutes: naming them lets a time be found by the key."""


class StepUsage(View):
    """What a step's attempts used: times in seconds, memory in bytes; none where nobody told it.

    `attempts` have ended, `succeeded` of them with a result or with nothing to do. `wall_s` is the time of all,
    `lost_s` that of those that came to nothing. `metered_s` is the part of `wall_s` whose CPU time is known: `cpu_s`;
    `efficiency` is their ratio, by the step's cpus (1: all were busy all the time). `memory_peak` is the most that one
    took. `queue_s` is how long an item had been ready when somebody began with it: the mean; `queue_p95_s`, of a run
    only, is what 95 of 100 stay below.
    """

    step: str
    attempts: int
    succeeded: int
    failed: int
    interrupted: int
    wall_s: float
    lost_s: float
    metered_s: float
    cpu_s: float
    efficiency: float | None
    memory_peak: int | None
    queue_s: float | None
    queue_p95_s: float | None


class StepsUsage(View):
    """What was used, by step, in the order of the pipeline; and by all steps together.

    `since`: only what ended then or later; none: all that was ever kept.
    """

    steps: tuple[StepUsage, ...]
    total: StepUsage
    since: datetime | None


def usage_of_run(conn: Connection, number: int) -> StepsUsage | None:
    """Say what a run's attempts used, in all its campaigns, with those that operators took back; none: no such run."""
    found = _usage(conn.execute(_of_run(number)).all())
    there = found.steps or conn.execute(select(run.c.id).where(run.c.number == number)).first()
    return found if there else None


def usage_of_campaign(conn: Connection, name: str) -> StepsUsage | None:
    """Say what a campaign used since it began; none where there is no such campaign."""
    own = select(campaign.c.id).where(campaign.c.name == name)
    found = _usage(conn.execute(_kept(measure_rate.c.campaign_id == own.scalar_subquery())).all())
    return found if found.steps or conn.execute(own).first() else None


def usage_of_steps(conn: Connection, since: datetime | None = None) -> StepsUsage:
    """Say what all campaigns used: since a time, or ever.

    Sums are kept by minutes, after two days by hours and after ninety days by days: what spans begin earlier is not in.
    """
    if since is None:
        return _usage(conn.execute(_kept()).all())
    lately = (measure_rate.c.span.in_(SPANS), measure_rate.c.at >= since)
    return _usage(conn.execute(_kept(*lately)).all(), since)


def _usage(rows: Sequence[Row[Any]], since: datetime | None = None) -> StepsUsage:
    """Make the steps of their rows; the row without a step is that of all."""
    total = next((row for row in rows if row.step is None), None)
    return StepsUsage(
        steps=tuple(_step(row) for row in rows if row.step is not None),
        total=_step(total) if total is not None else NOTHING,
        since=since,
    )


def _step(row: Row[Any]) -> StepUsage:
    return StepUsage(
        step=row.step or "",
        attempts=int(row.attempts or 0),
        succeeded=int(row.succeeded or 0),
        failed=int(row.failed or 0),
        interrupted=int(row.interrupted or 0),
        wall_s=float(row.wall_s or 0),
        lost_s=float(row.lost_s or 0),
        metered_s=float(row.metered_s or 0),
        cpu_s=float(row.cpu_s or 0),
        efficiency=float(row.cpu_s) / float(row.core_s) if row.core_s else None,
        memory_peak=int(row.memory_peak) if row.memory_peak else None,
        queue_s=float(row.queue_s) / int(row.queued) if row.queued else None,
        queue_p95_s=None if row.queue_p95_s is None else float(row.queue_p95_s),
    )


NOTHING = StepUsage(
    step="", attempts=0, succeeded=0, failed=0, interrupted=0, wall_s=0.0, lost_s=0.0, metered_s=0.0, cpu_s=0.0,
    efficiency=None, memory_peak=None, queue_s=None, queue_p95_s=None,
)  # fmt: skip

# A pipeline's steps as its definition has them; what that leaves out is as usual, which is one processor.
_STEPS = text("""
select c.id as campaign_id, d.definition ->> 'name' as step, d.rank,
  coalesce(cast(d.definition ->> 'cpus' as double precision), 1) as cpus
from campaign c join pipeline p on p.id = c.pipeline_id
cross join lateral jsonb_array_elements(p.definition -> 'steps') with ordinality as d(definition, rank)
""").columns(column("campaign_id"), column("step"), column("rank"), column("cpus"))
# Attempts by the items of a run, which the index of runs gives: as many as the run has files, times steps and tries.
# Item by item (that is what the offset is for), whatever share of all attempts is thought to be of this run.
_TRIED = text("""
select i.campaign_id, a.step, a.outcome,
  greatest(0, coalesce(cast(a.usage ->> 'wall_s' as double precision),
    extract(epoch from a.ended_at - a.started_at), 0)) as wall_s,
  cast(a.usage ->> 'cpu_s' as double precision) as cpu_s,
  cast(a.usage ->> 'memory_peak' as double precision) as memory_peak,
  cast(a.usage ->> 'queue_s' as double precision) as queue_s
from item i cross join lateral (select * from attempt where item_id = i.id and ended_at is not null offset 0) a
where i.run_id = (select id from run where number = :number)
""").columns(*(column(name) for name in ("campaign_id", "step", "outcome", *MEASURED)))


def _of_run(number: int) -> Select[Any]:
    tried = _TRIED.bindparams(number=number).cte("tried")
    it = tried.c
    good, told = it.outcome.in_(("succeeded", "skipped")), it.cpu_s.is_not(None)
    of_step = {
        "attempts": func.count(),
        "succeeded": func.count().filter(good),
        "failed": func.count().filter(it.outcome == "failed"),
        "interrupted": func.count().filter(it.outcome == "interrupted"),
        "wall_s": func.sum(it.wall_s),
        "lost_s": func.sum(it.wall_s).filter(not_(good)),
        "metered_s": func.sum(it.wall_s).filter(told),
        "cpu_s": func.sum(it.cpu_s),
        "memory_peak": func.max(it.memory_peak),
        "queue_s": func.sum(it.queue_s),
        "queued": func.count(it.queue_s),
        "queue_p95_s": func.percentile_cont(0.95).within_group(it.queue_s),
    }
    return _by_step(tried, of_step, lambda cpus: func.sum(it.wall_s * cpus).filter(told))


def _kept(*which: ColumnElement[bool]) -> Select[Any]:
    """Ask for kept sums: first by campaign, for each has its own pipeline, then by step."""
    rate = measure_rate.c
    names = ("failed", "interrupted", "lost_s", "metered_s", "cpu_s", "queue_s", "queued")
    summed = (
        select(
            rate.campaign_id,
            rate.step,
            func.sum(rate.done + rate.failed + rate.interrupted).label("attempts"),
            func.sum(rate.done).label("succeeded"),
            func.sum(rate.busy_s).label("wall_s"),
            *(func.sum(rate[name]).label(name) for name in names),
            func.max(rate.memory_peak).label("memory_peak"),
        )
        .where(*which)
        .group_by(rate.campaign_id, rate.step)
        .having(func.sum(rate.done + rate.failed + rate.interrupted) > 0)
    )
    sums = summed.cte("sums")
    of_step: dict[str, ColumnElement[Any]] = {
        name: func.sum(sums.c[name]) for name in ("attempts", "succeeded", "wall_s", *names)
    }
    of_step |= {"memory_peak": func.max(sums.c.memory_peak), "queue_p95_s": null()}
    return _by_step(sums, of_step, lambda cpus: func.sum(sums.c.metered_s * cpus))


def _by_step(rows: CTE, of_step: Mapping[str, Any], cores: Callable[[Any], Any]) -> Select[Any]:
    """Ask for these sums by step, as pipelines have them in order, and for those of all, which have no step."""
    steps = _STEPS.cte("steps")
    here = (steps.c.campaign_id == rows.c.campaign_id) & (steps.c.step == rows.c.step)
    rank, cpus = func.min(steps.c.rank), func.coalesce(steps.c.cpus, 1)
    columns = (rows.c.step, *(each.label(name) for name, each in of_step.items()), cores(cpus).label("core_s"))
    wanted = select(*columns).select_from(rows.outerjoin(steps, here))
    return wanted.group_by(func.grouping_sets(tuple_(rows.c.step), tuple_())).order_by(rank, rows.c.step)
