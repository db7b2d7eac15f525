"""How long files take from closing to catalog, and each step's part in it, from the kept measures."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, text

from ..buckets import quantile
from ..schema import campaign, measure_latency
from .fields import View

SPANS = (5, 60, 1440)
"""Minutes that a row may stand for: the older, the more."""
HOUR = timedelta(hours=1)


class Quantiles(View):
    """How long `n` of them took, in seconds: half of them at most `p50`. None where there is nothing."""

    n: int
    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None


class LatencyHour(View):
    """What was done in the hour that began `at`."""

    at: datetime
    took: Quantiles


class LatencyGroup(View):
    """What was done of one campaign, or one run type."""

    name: str
    took: Quantiles


class StepTimes(View):
    """One step: `working` is what workers measured, `waiting` all the rest of the time that the step took."""

    step: str
    waiting: Quantiles
    working: Quantiles


class Latency(View):
    """Latency from when a file was closed to when it was done, the first time; `today` began at `since`.

    Campaigns that are not realtime count only where they are asked for: there it is from when the file came into them.
    """

    at: datetime
    since: datetime
    last_hour: Quantiles
    today: Quantiles
    hours: tuple[LatencyHour, ...]
    campaigns: tuple[LatencyGroup, ...]
    kinds: tuple[LatencyGroup, ...]
    steps: tuple[StepTimes, ...]


class LatencyFilter(View):
    """Of which campaign and run type; how many hours the table goes back."""

    campaign: str | None = None
    kind: str | None = None
    hours: int = 24


def latency(conn: Connection, since: datetime | None = None, where: LatencyFilter | None = None) -> Latency:
    """Give the latency of today, which began at `since` (default: a day ago), and of the hours before now."""
    where = where or LatencyFilter()
    now: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
    since = since or now - timedelta(days=1)
    whole = [measure_latency.c.what == "latency"]
    back = now.replace(minute=0, second=0, microsecond=0) - (where.hours - 1) * HOUR
    binned = func.date_bin(text("interval '1 hour'"), measure_latency.c.at, text("timestamptz 'epoch'"))
    hours = _grouped(conn, binned, where, *whole, measure_latency.c.at >= back)
    last = _grouped(conn, measure_latency.c.what, where, *whole, measure_latency.c.at >= now - HOUR)
    today = measure_latency.c.at >= since
    return Latency(
        at=now,
        since=since,
        last_hour=_first(last),
        today=_first(_grouped(conn, measure_latency.c.what, where, *whole, today)),
        hours=tuple(LatencyHour(at=at, took=took) for at, took in hours),
        campaigns=_named(_grouped(conn, campaign.c.name, where, *whole, today)),
        kinds=_named(_grouped(conn, measure_latency.c.kind, where, *whole, today)),
        steps=_steps(conn, where, today),
    )


def latency_lately(conn: Connection, since: datetime) -> tuple[Quantiles, Quantiles]:
    """Give the latency since a moment, and that of the last hour, and nothing else."""
    whole, table = LatencyFilter(), measure_latency.c
    last_hour = table.at >= func.statement_timestamp() - HOUR
    both = (
        _grouped(conn, table.what, whole, table.what == "latency", which) for which in (table.at >= since, last_hour)
    )
    today, hour = (_first(groups) for groups in both)
    return today, hour


class Lately(NamedTuple):
    """Latency since a moment and of the last hour, and the steps' times since that moment."""

    whole: Quantiles
    hour: Quantiles
    steps: tuple[StepTimes, ...]


class _Bucket(NamedTuple):
    bucket: int
    n: int
    seconds: float


def lately(conn: Connection, since: datetime) -> Lately:
    """Give it with one look at the measures, for who asks often."""
    whole: dict[tuple[str, str], list[_Bucket]] = {}
    hour: list[_Bucket] = []
    for row in conn.execute(LATELY, {"since": since, "spans": list(SPANS)}):
        whole.setdefault((row.what, row.step), []).append(_Bucket(row.bucket, row.n, row.seconds))
        if row.what == "latency":
            hour.append(_Bucket(row.bucket, row.n_hour, row.seconds_hour))
    found = {key: quantiles(rows) for key, rows in whole.items()}
    steps = sorted(step for what, step in found if what == "working")
    return Lately(
        whole=found.get(("latency", ""), NOTHING),
        hour=quantiles(hour),
        steps=tuple(
            StepTimes(step=step, waiting=found.get(("waiting", step), NOTHING), working=found["working", step])
            for step in steps
        ),
    )


def _steps(conn: Connection, where: LatencyFilter, today: ColumnElement[bool]) -> tuple[StepTimes, ...]:
    parts = [
        dict(_grouped(conn, measure_latency.c.step, where, measure_latency.c.what == what, today))
        for what in ("waiting", "working")
    ]
    return tuple(StepTimes(step=step, waiting=parts[0].get(step, NOTHING), working=parts[1][step]) for step in parts[1])


def _grouped(
    conn: Connection, by: ColumnElement[Any], where: LatencyFilter, *which: ColumnElement[bool]
) -> list[tuple[Any, Quantiles]]:
    group = by.label("group")
    table = measure_latency.c
    wanted: Select[Any] = (
        select(group, table.bucket, func.sum(table.n).label("n"), func.sum(table.seconds).label("seconds"))
        .join(campaign, campaign.c.id == table.campaign_id)
        .where(table.span.in_(SPANS), *which)
        .group_by(group, table.bucket)
        .order_by(group, table.bucket)
    )
    wanted = wanted.where(campaign.c.name == where.campaign if where.campaign else campaign.c.kind == "realtime")
    if where.kind:
        wanted = wanted.where(table.kind == where.kind)
    found: dict[Any, list[Row[Any]]] = {}
    for row in conn.execute(wanted):
        found.setdefault(row.group, []).append(row)
    return [(name, quantiles(rows)) for name, rows in found.items()]


def quantiles(rows: Iterable[Any]) -> Quantiles:
    """Make quantiles of rows with a `bucket`, an `n` and the sum of `seconds`."""
    counts: Counter[int] = Counter()
    seconds = 0.0
    for row in rows:
        counts[row.bucket] += int(row.n)
        seconds += float(row.seconds)
    n = counts.total()
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return Quantiles(
        n=n, mean=seconds / n if n else None, **{name: quantile(counts, share) for name, share in shares.items()}
    )


NOTHING = quantiles(())


LATELY = text("""
select m.what, m.step, m.bucket, cast(sum(m.n) as bigint) as n, sum(m.seconds) as seconds,
  cast(coalesce(sum(m.n) filter (where m.at >= statement_timestamp() - interval '1 hour'), 0) as bigint) as n_hour,
  coalesce(sum(m.seconds) filter (where m.at >= statement_timestamp() - interval '1 hour'), 0) as seconds_hour
from measure_latency m join campaign c on c.id = m.campaign_id
where m.what in ('latency', 'waiting', 'working') and m.span = any(:spans) and m.at >= :since and c.kind = 'realtime'
group by m.what, m.step, m.bucket
""")


def _first(groups: list[tuple[Any, Quantiles]]) -> Quantiles:
    return groups[0][1] if groups else NOTHING


def _named(groups: list[tuple[Any, Quantiles]]) -> tuple[LatencyGroup, ...]:
    return tuple(LatencyGroup(name=name, took=took) for name, took in groups)
