"""`/failures`: failures that say the same, the most frequent first, with what they have in common."""

from flask import Blueprint, Response
from werkzeug.exceptions import BadRequest

from ...statemachine.views import FamilyFilter, families
from .. import asked
from ..context import reading
from ..live import live_page

ROWS = 25
HOURS = {"hour": 1, "day": 24, "week": 24 * 7, "month": 24 * 31, "quarter": 24 * 90}
blueprint = Blueprint("failures", __name__)


@blueprint.get("/failures")
def show() -> Response:
    """List families of failures."""
    span = asked.word("span") or "day"
    if span not in HOURS:
        raise BadRequest(f"span: {span} is none of {', '.join(HOURS)}.")
    numbers = asked.numbers("run")
    where = FamilyFilter(
        hours=HOURS[span],
        run=numbers[0] if numbers else None,
        campaign=asked.word("campaign"),
        step=asked.word("step"),
        reason_code=asked.word("reason"),
        family=asked.word("family"),
    )
    page = asked.page(ROWS)
    with reading() as connection:
        listed = families(connection, where, page)
    return live_page(
        "failures", families=listed.rows, where=where, span=span, spans=tuple(HOURS), page=page, following=listed.next
    )
