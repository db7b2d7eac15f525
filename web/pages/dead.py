"""`/dead-letters`: messages and arrivals that could not be used, the latest first, each with its reason."""

from flask import Blueprint, Response

from ...statemachine.views import dead_letters
from .. import asked
from ..context import reading
from ..live import live_page

ROWS = 50
blueprint = Blueprint("dead", __name__)


@blueprint.get("/dead-letters")
def show() -> Response:
    """List dead letters, all or those with one code."""
    page, code = asked.page(ROWS), asked.word("code")
    with reading() as connection:
        listed = dead_letters(connection, page, code=code)
    return live_page("dead", letters=listed.rows, following=listed.next, code=code, page=page)
