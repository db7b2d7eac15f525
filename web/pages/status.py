"""`/status`: the whole instance on one screen, what needs somebody first."""

from collections.abc import Mapping

from flask import Blueprint, Response, current_app, url_for

from ...statemachine.views import Need, latency_lately, roles, status
from .. import ages, orders
from ..api.measures import midnight
from ..context import reading
from ..live import live_page
from . import sites

PAGES = {
    "failed": ("failures.show", "runs.show"),
    "held": ("runs.show",),
    "dead-letters": ("dead.show",),
    "no-worker": ("workers.show",),
    "launcher-silent": ("pilots.show",),
    "pilots-refused": ("pilots.show",),
    "pilots-pending": ("pilots.show",),
    "node-set-aside": ("pilots.show",),
    "no-conductor": ("workers.show",),
    "no-sweeper": ("workers.show",),
    "broker-away": ("queues.show",),
    "site-down": ("sites.show",),
    "site-full": ("sites.show",),
    "no-progress": ("queues.show",),
    "no-files": ("alerts.show",),
    "no-watcher": ("workers.show",),
    "queue-old": ("queues.show",),
    "slow-files": ("latency.show",),
    "leases-expired": ("workers.show",),
    "failures": ("failures.show",),
    "failed-items": ("failures.show",),
    "nodes-set-aside": ("pilots.show",),
    "buffer-full-soon": ("sites.show",),
    "backup-old": ("alerts.show",),
}
"""Where one looks first, the first page that there is."""
blueprint = Blueprint("status", __name__)
blueprint.add_app_template_filter(ages.ago)
blueprint.add_app_template_filter(ages.since)
blueprint.add_app_template_filter(ages.rate)


@blueprint.get("/status")
def show() -> Response:
    """Show how the instance is."""
    with reading() as connection:
        found = status(connection)
        order = orders.choices(connection).states
        counted = roles(connection)
        today, last_hour = latency_lately(connection, midnight())
    paused = {row.name: row for row in found.pauses if row.what == "site"}
    return live_page(
        "status",
        status=found,
        problems=[(problem, link(problem)) for problem in found.problems],
        files=_ordered(found.files, order),
        runs=_ordered(found.runs, order),
        roles=counted,
        today=today,
        last_hour=last_hour,
        sites=[sites.line(row, paused.get(row.name)) for row in found.sites],
    )


def link(problem: Need) -> str:
    """Give the page that shows a problem."""
    endpoint = next(name for name in (*PAGES.get(problem.code, ()), "runs.show") if name in current_app.view_functions)
    return url_for(endpoint)


def _ordered(counts: Mapping[str, Mapping[str, int]], order: tuple[str, ...]) -> list[tuple[str, Mapping[str, int]]]:
    """Put counts by state in the order of the pipelines."""
    known = [state for state in order if state in counts]
    return [(state, counts[state]) for state in (*known, *(other for other in counts if other not in known))]
