"""When a campaign or a run will be done, by how fast its steps went in the last hour, and which step holds it up."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select, text

from ..forecasting import SPAN_S, Line, bottleneck, times
from ..records import Record
from ..schema import campaign, measure_rate, step_rule
from .counts import standing, totals
from .fields import View
from .pace import Pace, paces, paces_of_campaigns
from .processes import Around, around
from .queues import MOST_COUNTED, takes
from .runfind import RunFilter, runs
from .runs import RunRow

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
AHEAD = text("""
select m.step, max(greatest(0, before.n + 1 - m.n) + sent.n) as ahead
from (select step, lane, priority, max(id) as last, count(*) as n from item
  where run_id = :run and campaign_id = :campaign and phase = 'ready' group by step, lane, priority) m
cross join lateral (select count(*) as n from (select from item i
  where i.phase = 'ready' and i.step = m.step and i.lane = m.lane
    and (:live or (i.lane = 'bulk' and i.campaign_id = :campaign))
    and (i.priority < m.priority or (i.priority = m.priority and i.id < m.last)) limit :most) b) before
cross join lateral (select count(*) as n from (select from item i
  where i.phase = 'submitted' and i.step = m.step and i.lane = m.lane and i.run_id <> :run
    and (:live or i.campaign_id = :campaign) limit :most) s) sent
group by m.step
""")
"""What others have before this run's last file at each step: ready, up to `most`, or with the broker. Campaigns share
the bulk lane: there only the others of its own."""


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
    """What is forecast: its files by state and phase, how fast steps go, who works, what stands before it."""

    name: str
    lane: str
    rules: tuple[tuple[str, str], ...]
    files: dict[str, dict[str, int]]
    paces: dict[str, Pace]
    around: Around
    ahead: dict[str, int] = {}


class _Campaign(Record):
    id: int = 0
    name: str = ""
    lane: str = "live"
    rules: tuple[tuple[str, str], ...] = ()


def forecast_campaign(conn: Connection, name: str) -> Forecast | None:
    """Forecast a campaign; none where there is none of that name."""
    own = _campaign(conn, name)
    if not own.id:
        return None
    files = standing(totals(conn, scope=("file",), campaigns=[own.id]))
    pace = paces_of_campaigns(conn, [own.id])
    return _of_campaign(own, files, pace, around(conn))


def forecast_campaigns(
    conn: Connection, files: Mapping[int, dict[str, dict[str, int]]], known: Around | None = None
) -> dict[int, Forecast]:
    """Forecast campaigns by their ids; their files by state and phase have been counted already."""
    if not files:
        return {}
    owns = _campaigns(conn, campaign.c.id.in_(files))
    pace, alive = paces_of_campaigns(conn, list(files)), known or around(conn)
    return {own.id: _of_campaign(own, files[own.id], pace, alive) for own in owns}


def _of_campaign(
    own: _Campaign, files: dict[str, dict[str, int]], pace: Mapping[int, dict[str, Pace]], known: Around
) -> Forecast:
    return _forecast(
        _Subject(
            name=f"campaign {own.name}",
            lane=own.lane,
            rules=own.rules,
            files=files,
            paces=pace.get(own.id, {}),
            around=known,
        )
    )


def forecast_run(conn: Connection, number: int) -> Forecast | None:
    """Forecast a run in its own campaign, with what stands before it in the queues; none where there is no such run."""
    found = runs(conn, RunFilter(numbers=(number,))).rows
    return forecast_found(conn, found[0], around(conn)) if found else None


def forecast_found(conn: Connection, row: RunRow, known: Around) -> Forecast:
    """Forecast a run that has been read already, with what is alive."""
    own = _campaign(conn, row.campaign)
    live = own.lane == "live"
    values = {"run": row.id, "campaign": own.id, "live": live, "most": MOST_COUNTED}
    return _forecast(
        _Subject(
            name=f"run {row.number}",
            lane=own.lane,
            rules=own.rules,
            files=row.files,
            paces=paces(conn, measure_rate.c.lane == own.lane if live else measure_rate.c.campaign_id == own.id),
            around=known,
            ahead={each.step: each.ahead for each in conn.execute(AHEAD, values)} if row.phases.get("ready") else {},
        )
    )


def _forecast(subject: _Subject) -> Forecast:
    now = subject.around.now
    steps, lines = _lines(subject)
    held_up = bottleneck(lines) or _slowest(lines)
    left = sum(phases.get(phase, 0) for phases in subject.files.values() for phase in MOVING)
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


def _lines(subject: _Subject) -> tuple[tuple[StepForecast, ...], list[Line]]:
    steps, lines = [], []
    coming = before = 0
    for n, (state, name) in enumerate(subject.rules):
        here = subject.files.get(state, {})
        coming += sum(here.get(phase, 0) for phase in MOVING)
        before += subject.ahead.get(name, 0)
        pace = subject.paces.get(name, Pace())
        tail = sum(subject.paces.get(later, Pace()).mean_s for _, later in subject.rules[n + 1 :])
        waiting = sum(here.get(phase, 0) for phase in WAITING) + subject.ahead.get(name, 0)
        to_do = round(coming * pace.share) + before
        line = Line(step=name, to_do=to_do, waiting=waiting, counts=pace.counts, tail_s=tail)
        took = times(line)
        steps.append(
            StepForecast(
                step=name,
                to_do=round(coming * pace.share),
                waiting=waiting - subject.ahead.get(name, 0),
                executing=here.get("executing", 0),
                ahead=subject.ahead.get(name, 0),
                per_minute=line.rate * 60,
                mean_s=pace.mean_s,
                workers=sum(takes(worker, name, subject.lane) for worker in subject.around.workers),
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
    more = "at least " if step.ahead >= MOST_COUNTED else ""
    before = f" and {more}{step.ahead:,} of others before them" if step.ahead else ""
    why = f"{step.step}: {_pretty(step.per_minute)} files/min, {step.waiting:,} waiting{before}, {step.workers} workers"
    return why + "".join(f"; nothing finished at {each.step} in the last hour" for each in stuck)


def _still(stuck: Sequence[StepForecast]) -> str:
    where = ", ".join(f"{step.waiting:,} wait for {step.step}" for step in stuck)
    return "nothing finished in the last hour" + (f"; {where}" if where else "")


def _pretty(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def _campaign(conn: Connection, name: str) -> _Campaign:
    """Give what a campaign is forecast by; an empty one where there is none."""
    return next(iter(_campaigns(conn, campaign.c.name == name)), _Campaign())


def _campaigns(conn: Connection, which: ColumnElement[bool]) -> list[_Campaign]:
    """Give campaigns' lanes and the states and steps of their files, in order."""
    rule = step_rule.c
    of_files = (rule.pipeline_id == campaign.c.pipeline_id) & (rule.scope == "file")
    names = (campaign.c.id, campaign.c.name, campaign.c.lane)
    wanted: Select[Any] = select(*names, rule.state, rule.step).outerjoin(step_rule, of_files).where(which)
    found: dict[int, list[Row[Any]]] = {}
    for row in conn.execute(wanted.order_by(campaign.c.id, rule.rank)):
        found.setdefault(row.id, []).append(row)
    return [
        _Campaign(
            id=each,
            name=rows[0].name,
            lane=rows[0].lane,
            rules=tuple((row.state, row.step) for row in rows if row.step),
        )
        for each, rows in found.items()
    ]
