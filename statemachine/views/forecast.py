"""When a campaign or a run will be done, by how fast its steps went in the last hour, and which step holds it up."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ..forecasting import SPAN_S, Line, bottleneck, times
from ..records import Record
from ..schema import campaign, item, measure_rate, run, step_rule
from .counts import Count, by_run, totals
from .fields import View
from .pace import Pace, paces
from .processes import processes
from .queues import MOST_COUNTED, ahead, takes

MOVING = ("ready", "submitted", "executing")
WAITING = ("ready", "submitted")
MATTERS = 0.25
"""A queue that takes less than so much of the bottleneck's time is left out: its step was short of work."""
ASSUMED = (
    "steps go on as in the last hour",
    "nothing more arrives",
    "what is failed or held stays so",
    "steps of whole runs are not counted",
)


class StepForecast(View):
    """One step: files that have still to go through it, that wait at it, that run; of others, `ahead` of them.

    `per_minute` is what it did lately, `mean_s` how long one takes; by itself it would be done in `p50_s`, `p90_s`.
    """

    step: str
    to_do: int
    waiting: int
    executing: int
    ahead: int
    per_minute: float
    mean_s: float
    workers: int
    p50_s: float | None
    p90_s: float | None


class Forecast(View):
    """When all `left` files are done: as likely sooner as later, and nine times in ten. None where nobody can say.

    `sentence` says which step holds it up and why, or why there is no forecast; `assumes` what it goes by; it looked
    at the last `seen_s` seconds.
    """

    subject: str
    at: datetime
    left: int
    p50: datetime | None
    p90: datetime | None
    bottleneck: str
    sentence: str
    assumes: tuple[str, ...]
    seen_s: float
    steps: tuple[StepForecast, ...]


class _Subject(Record):
    name: str
    campaign_id: int
    lane: str
    counts: tuple[Count, ...]
    paces: dict[str, Pace]
    ahead: dict[str, int] = {}


def forecast_campaign(conn: Connection, name: str) -> Forecast | None:
    """Forecast a campaign; none where there is none of that name."""
    row = conn.execute(select(campaign.c.id, campaign.c.lane).where(campaign.c.name == name)).first()
    if row is None:
        return None
    counts = tuple(each for each in totals(conn, scope=("file",)) if each.campaign_id == row.id)
    pace = paces(conn, measure_rate.c.campaign_id == row.id)
    return _forecast(
        conn, _Subject(name=f"campaign {name}", campaign_id=row.id, lane=row.lane, counts=counts, paces=pace)
    )


def forecast_run(conn: Connection, number: int) -> Forecast | None:
    """Forecast a run in its own campaign, with what stands before it in the queues; none where there is no such run."""
    wanted = select(run.c.id, run.c.campaign_id, campaign.c.lane).outerjoin(
        campaign, campaign.c.id == run.c.campaign_id
    )
    row = conn.execute(wanted.where(run.c.number == number)).first()
    if row is None:
        return None
    mine = by_run(conn, [row.id])[row.id]
    subject = _Subject(
        name=f"run {number}",
        campaign_id=row.campaign_id or 0,
        lane=row.lane or "live",
        counts=tuple(each for each in mine if each.scope == "file" and each.campaign_id == row.campaign_id),
        paces=paces(conn, measure_rate.c.lane == (row.lane or "live")),
        ahead=_ahead(conn, row.id, row.campaign_id),
    )
    return _forecast(conn, subject)


def _forecast(conn: Connection, subject: _Subject) -> Forecast:
    now: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
    rules = _rules(conn, subject.campaign_id)
    steps, lines = _lines(conn, subject, rules)
    held_up = bottleneck(lines) or _slowest(lines)
    left = sum(count.n for count in subject.counts if count.phase in MOVING)
    ends = _ends(lines, held_up) if left and held_up else (None, None)
    return Forecast(
        subject=subject.name,
        at=now,
        left=left,
        p50=_after(now, ends[0]),
        p90=_after(now, ends[1]),
        bottleneck=held_up.step if left and held_up else "",
        sentence=_sentence(left, held_up, steps, lines),
        assumes=ASSUMED if left and held_up else (),
        seen_s=SPAN_S * max((len(line.counts) for line in lines), default=0),
        steps=steps,
    )


def _lines(
    conn: Connection, subject: _Subject, rules: Sequence[Row[Any]]
) -> tuple[tuple[StepForecast, ...], list[Line]]:
    workers = processes(conn, role="worker", alive=True)
    steps, lines = [], []
    coming = before = 0
    for n, rule in enumerate(rules):
        here = {count.phase: count.n for count in subject.counts if count.state == rule.state}
        coming += sum(here.get(phase, 0) for phase in MOVING)
        before += subject.ahead.get(rule.step, 0)
        pace = subject.paces.get(rule.step, Pace())
        tail = sum(subject.paces.get(later.step, Pace()).mean_s for later in rules[n + 1 :])
        waiting = sum(here.get(phase, 0) for phase in WAITING) + subject.ahead.get(rule.step, 0)
        to_do = round(coming * pace.share) + before
        line = Line(step=rule.step, to_do=to_do, waiting=waiting, counts=pace.counts, tail_s=tail)
        took = times(line)
        steps.append(
            StepForecast(
                step=rule.step,
                to_do=round(coming * pace.share),
                waiting=waiting - subject.ahead.get(rule.step, 0),
                executing=here.get("executing", 0),
                ahead=subject.ahead.get(rule.step, 0),
                per_minute=line.rate * 60,
                mean_s=pace.mean_s,
                workers=sum(takes(worker, rule.step, subject.lane) for worker in workers),
                p50_s=took.p50_s,
                p90_s=took.p90_s,
            )
        )
        lines.append(line)
    return tuple(steps), lines


def _ends(lines: Iterable[Line], held_up: Line) -> tuple[float | None, float | None]:
    """Give when the last of the steps that matter is through; unknown where one of them is."""
    least = MATTERS * held_up.waiting / held_up.rate
    matter = [line for line in lines if line is held_up or (line.rate and line.waiting / line.rate >= max(least, 1))]
    found = [times(line) for line in matter]
    p50s = [each.p50_s for each in found if each.p50_s is not None]
    p90s = [each.p90_s for each in found if each.p90_s is not None]
    return (max(p50s) if p50s else None), (max(p90s) if len(p90s) == len(found) else None)


def _slowest(lines: Iterable[Line]) -> Line | None:
    """Where nothing waits, give the step that takes longest for what is under way."""
    moving = [line for line in lines if line.rate and line.to_do]
    return max(moving, key=lambda line: line.to_do / line.rate, default=None)


def _sentence(left: int, held_up: Line | None, steps: Sequence[StepForecast], lines: Sequence[Line]) -> str:
    if not left:
        return "nothing is left to do"
    stuck = [step for step, line in zip(steps, lines, strict=True) if step.waiting and not line.rate]
    if held_up is None:
        young = any(step.mean_s for step in steps) and not any(line.counts for line in lines)
        return "no forecast yet: it moves for less than five minutes" if young else f"no forecast: {_still(stuck)}"
    step = next(each for each in steps if each.step == held_up.step)
    before = f" and {step.ahead:,} of others before them" if step.ahead else ""
    why = f"{step.step}: {_pretty(step.per_minute)} files/min, {step.waiting:,} waiting{before}, {step.workers} workers"
    return why + "".join(f"; nothing finished at {each.step} in the last hour" for each in stuck)


def _still(stuck: Sequence[StepForecast]) -> str:
    where = ", ".join(f"{step.waiting:,} wait for {step.step}" for step in stuck)
    return "nothing finished in the last hour" + (f"; {where}" if where else "")


def _pretty(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def _rules(conn: Connection, campaign_id: int) -> list[Row[Any]]:
    wanted = select(step_rule.c.state, step_rule.c.step).join(
        campaign, campaign.c.pipeline_id == step_rule.c.pipeline_id
    )
    of_files = wanted.where(campaign.c.id == campaign_id, step_rule.c.scope == "file")
    return list(conn.execute(of_files.order_by(step_rule.c.rank)))


def _ahead(conn: Connection, run_id: int, campaign_id: int | None) -> dict[str, int]:
    """Count what others have before this run's last file at each step, up to `MOST_COUNTED`."""
    mine = item.c.run_id == run_id
    wanted = select(
        item.c.step, item.c.lane, item.c.priority, func.max(item.c.id).label("last"), func.count().label("n")
    ).where(mine, item.c.campaign_id == campaign_id, item.c.phase == "ready")
    found: dict[str, int] = {}
    for row in conn.execute(wanted.group_by(item.c.step, item.c.lane, item.c.priority)):
        ready = ahead(conn, row.step, row.lane, row.priority, row.last, MOST_COUNTED) + 1 - row.n
        others = max(ready, 0) + _sent(conn, row.step, row.lane, run_id)
        found[row.step] = max(found.get(row.step, 0), others)
    return found


def _sent(conn: Connection, step: str, lane: str, run_id: int) -> int:
    """Count what the broker has of other runs."""
    others = select(item.c.id).where(
        item.c.phase == "submitted", item.c.step == step, item.c.lane == lane, item.c.run_id != run_id
    )
    return int(conn.execute(select(func.count()).select_from(others.limit(MOST_COUNTED).subquery())).scalar_one())
