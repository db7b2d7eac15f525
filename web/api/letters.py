"""Dead letters: what could not be used, one with all that is known of it, its message byte by byte."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.store.errors import NotFoundError
from ...statemachine.views import DeadLetterRow, dead_letter_body, dead_letter_of, dead_letters
from ..context import reading
from . import asked
from .answer import Rows, one, rows
from .document import PREFIX, gives, gives_bytes

blueprint = APIBlueprint("api_letters", __name__, url_prefix=f"{PREFIX}/dead-letters", tag="dead letters")


class LettersAsked(asked.Part):
    """Which dead letters."""

    run = asked.number("about this run")
    code = asked.word("with this code")
    queue = asked.word("from this queue")
    subject = asked.word("about this")
    every = asked.flag("those too that are replayed, forgotten or dealt with")


@blueprint.get("")
@blueprint.input(LettersAsked, location="query")
@gives(Rows[DeadLetterRow])
def index(query_data: dict[str, Any]) -> Response:
    """List what could not be used, the latest first."""
    with reading() as connection:
        listed = dead_letters(connection, asked.page(query_data), **asked.filters(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/<number:number>")
@blueprint.input(asked.One, location="query")
@gives(DeadLetterRow)
def show(number: int, query_data: dict[str, Any]) -> Response:
    """Give one dead letter, cleared or not."""
    with reading() as connection:
        found = dead_letter_of(connection, number)
    return one(_there(found, number), query_data["wanted"])


@blueprint.get("/<number:number>/body")
@gives_bytes("application/octet-stream", "the message, as much of it as was kept")
def body(number: int) -> Response:
    """Give the message itself, byte by byte; never as something that a browser would open."""
    with reading() as connection:
        _there(dead_letter_of(connection, number), number)
        content = dead_letter_body(connection, number)
    response = Response(content, mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="dead-letter-{number}"'
    return response


def _there(found: DeadLetterRow | None, number: int) -> DeadLetterRow:
    if found is None:
        raise NotFoundError(f"There is no dead letter {number} here.")
    return found
