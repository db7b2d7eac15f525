"""How fast steps went lately: items done in equal spans of time, from the kept measures."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, func, select, text

from ..forecasting import SPAN_S
from ..records import Record
from ..schema import measure_rate

SPANS = 12
SEEN = timedelta(seconds=SPAN_S) * SPANS
LAG = timedelta(seconds=15)
"""What has just been done may not have been measured yet."""


class Pace(Record):
    """One step's last hour, or what there was of it: done in each span, the oldest first; seconds of work for each.

    `share` of what came to the step had to be worked on; the rest passed it.
    """

    counts: tuple[int, ...] = ()
    mean_s: float = 0.0
    share: float = 1.0


def paces(conn: Connection, which: ColumnElement[bool]) -> dict[str, Pace]:
    """Give the pace of each step, over the spans since the first of what `which` chooses, an hour at most."""
    moment = text("interval '1 minute'")
    floor = func.date_bin(moment, func.statement_timestamp() - LAG, text("timestamptz 'epoch'"))
    rate = measure_rate.c
    names = ("done", "passed", "busy_s")
    rows = conn.execute(
        select(rate.at, rate.step, func.max(floor).label("end"), *(func.sum(rate[name]).label(name) for name in names))
        .where(rate.span == 1, rate.at >= floor - SEEN, rate.at < floor, which)
        .group_by(rate.at, rate.step)
    ).all()
    if not rows:
        return {}
    end: datetime = rows[0].end
    spans = int((end - min(row.at for row in rows)).total_seconds() / SPAN_S + 1e-6)
    by_step: dict[str, list[Row[tuple[object, ...]]]] = {}
    for row in rows:
        by_step.setdefault(row.step, []).append(row)
    return {step: _pace(each, end, spans) for step, each in by_step.items()}


def done_lately(conn: Connection) -> dict[tuple[str, str], int]:
    """Count the attempts that ended in the last hour by step and outcome."""
    rate = measure_rate.c
    names = {"succeeded": rate.done, "failed": rate.failed, "interrupted": rate.interrupted}
    wanted = select(rate.step, *(func.sum(column).label(name) for name, column in names.items()))
    recent = wanted.where(rate.span == 1, rate.at >= func.clock_timestamp() - SEEN).group_by(rate.step)
    return {(row.step, name): int(getattr(row, name)) for row in conn.execute(recent) for name in names}


def _pace(rows: Iterable[Row[tuple[object, ...]]], end: datetime, spans: int) -> Pace:
    counts = [0] * spans
    done = passed = busy = 0.0
    for row in rows:
        back = int((end - row.at).total_seconds() - 1e-6) // int(SPAN_S)
        if back < spans:
            counts[spans - 1 - back] += int(row.done)
        done, passed, busy = done + float(row.done), passed + float(row.passed), busy + float(row.busy_s)
    return Pace(
        counts=tuple(counts), mean_s=busy / done if done else 0.0, share=done / (done + passed) if passed else 1.0
    )
