"""How fast steps went lately: items done in equal spans of time, from the kept measures."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, text

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
    return _by_step(conn.execute(_recent(which)).all())


def paces_of_campaigns(conn: Connection, ids: Sequence[int]) -> dict[int, dict[str, Pace]]:
    """Give the pace of each step in each of these campaigns."""
    own = measure_rate.c.campaign_id
    found: dict[int, list[Row[Any]]] = {}
    for row in conn.execute(_recent(own.in_(ids), own)).all():
        found.setdefault(row.campaign_id, []).append(row)
    return {campaign: _by_step(rows) for campaign, rows in found.items()}


def _recent(which: ColumnElement[bool], *by: ColumnElement[int]) -> Select[Any]:
    moment = text("interval '1 minute'")
    floor = func.date_bin(moment, func.statement_timestamp() - LAG, text("timestamptz 'epoch'"))
    rate = measure_rate.c
    names = ("done", "passed", "busy_s")
    sums = (func.sum(rate[name]).label(name) for name in names)
    return (
        select(rate.at, rate.step, *by, func.max(floor).label("end"), *sums)
        .where(rate.span == 1, rate.at >= floor - SEEN, rate.at < floor, which)
        .group_by(rate.at, rate.step, *by)
    )


def _by_step(rows: Sequence[Row[Any]]) -> dict[str, Pace]:
    if not rows:
        return {}
    end: datetime = rows[0].end
    spans = int((end - min(row.at for row in rows)).total_seconds() / SPAN_S + 1e-6)
    by_step: dict[str, list[Row[Any]]] = {}
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


def _pace(rows: Iterable[Row[Any]], end: datetime, spans: int) -> Pace:
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
