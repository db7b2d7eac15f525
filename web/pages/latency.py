"""`/latency`: how long files take from closing to catalog, as numbers and as a plot, and each step's part in it."""

from flask import Blueprint, Response

from ...statemachine.views import LatencyFilter
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
    return live_page("latency", latency=found, where=where, spans=tuple(HOURS), span=spans)
