"""`/latency`: how long files take from closing to catalog, as numbers and as a plot, and each step's part in it."""

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response
from sqlalchemy import Connection

from ...statemachine.views import LatencyFilter, StepsUsage, usage_of_campaign, usage_of_steps
from ...statemachine.views import latency as find_latency
from .. import asked
from ..api.measures import midnight
from ..context import reading
from ..live import live_page

HOURS = {"day": 24, "week": 24 * 7}
blueprint = Blueprint("latency", __name__)


@blueprint.get("/latency")
def show() -> Response:
    """Show latencies of today and of the hours before now."""
    spans = asked.word("span") or "day"
    where = LatencyFilter(campaign=asked.word("campaign"), kind=asked.word("kind"), hours=HOURS.get(spans, 24))
    with reading() as connection:
        found = find_latency(connection, midnight(), where)
        used = None if where.kind else _used(connection, where)
    return live_page("latency", latency=found, used=used, where=where, spans=tuple(HOURS), span=spans)


def _used(connection: Connection, where: LatencyFilter) -> StepsUsage | None:
    """Give what steps used in these hours, or one campaign ever; of a run type nothing is kept."""
    if where.campaign:
        return usage_of_campaign(connection, where.campaign)
    return usage_of_steps(connection, datetime.now(UTC) - timedelta(hours=where.hours))
