"""Metrics of alerts: those that are open, who knows of them, what no raw metric says, whether the detector runs."""

from collections.abc import Iterator

import structlog
from prometheus_client.core import Metric
from sqlalchemy import Connection

from ..statemachine.alerting import Limits
from ..statemachine.database import first_line
from ..statemachine.lanes import LANES
from ..statemachine.views import pauses
from ..statemachine.views.alerts import alerts, known
from ..statemachine.views.conditions import AT_SCRAPE, CONDITIONS
from ..statemachine.views.detectors import detectors
from .gauges import gauge
from .orders import places

log = structlog.get_logger("headframe.web")


def families(conn: Connection) -> Iterator[Metric]:
    """Give the families. Names are those of sites, steps, launchers and pilots: never of runs, files or hosts."""
    shown = gauge("alert", "Alerts that are open in the service itself", "code", "name", "severity")
    for row in alerts(conn):
        shown.add_metric([row.code, row.name, row.severity], 1)
    yield shown
    yield from _known(conn)
    yield _needs(conn)
    yield _paused(conn)
    running = gauge("detector_running", "Whether the detector takes data, by who says so", "source")
    for each in detectors(conn):
        running.add_metric([each.source], float(each.running))
    yield running


def _known(conn: Connection) -> Iterator[Metric]:
    """Say until when, too: what is told while nobody can be asked goes by what was said last."""
    now = gauge("alert_acknowledged", "Somebody knows of it, open here or not: nobody is told", "code", "name")
    until = gauge("alert_acknowledged_until_seconds", "When that ends, or ended in the last day", "code", "name")
    for row in known(conn):
        until.add_metric([row.code, row.name], row.until.timestamp())
        if row.now:
            now.add_metric([row.code, row.name], 1)
    yield now
    yield until


def _needs(conn: Connection) -> Metric:
    """Ask the conditions that no raw metric says; one that fails is left out, and stops no other metric."""
    found = gauge("need", "What the service itself sees that needs somebody, now", "code", "name")
    seen: set[tuple[str, str]] = set()
    for condition in CONDITIONS:
        if not set(condition.codes) & set(AT_SCRAPE):
            continue
        try:
            with conn.begin_nested():
                seen.update((need.code, need.name) for need in condition.ask(conn, Limits()))
        except Exception as error:  # one broken row must not take all metrics away
            log.error("a condition could not be asked", alerts=condition.codes, cause=first_line(error))
    for labels in sorted(seen):
        found.add_metric(labels, 1)
    return found


def _paused(conn: Connection) -> Metric:
    found = gauge("paused", "Steps and lanes that an operator lets rest", "step", "lane")
    rows = pauses(conn)
    steps = {row.name for row in rows if row.what == "step"}
    lanes = {row.name for row in rows if row.what == "lane"}
    known = {step for step, _ in places(conn).values() if step} if rows else set()
    for step in sorted(known | steps):
        for lane in LANES:
            if step in steps or lane in lanes:
                found.add_metric([step, lane], 1)
    return found
