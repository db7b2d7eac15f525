"""`/files/<id>/compare`: a file beside a sibling that worked."""

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from ...statemachine.views import compare as find_comparison
from ...statemachine.views import file as find_file
from .. import asked
from ..context import reading
from ..live import live_page

blueprint = Blueprint("compare", __name__)


@blueprint.get("/files/<int:number>/compare")
def show(number: int) -> Response:
    """Compare a file with its sibling."""
    with reading() as connection:
        file = find_file(connection, number) if number <= asked.LARGEST else None
        if file is None:
            raise NotFound(f"There is no file with the number {number} here.")
        found = find_comparison(connection, number, asked.word("campaign"))
    return live_page("compare", file=file, comparison=found)
