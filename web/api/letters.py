"""Dead letters: what could not be used, one with all that is known of it, its message byte by byte."""

from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from msgspec import Meta
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest

from ...statemachine.store import letters
from ...statemachine.store.errors import NotFoundError, RefusedError
from ...statemachine.views import DeadLetterRow, dead_letter_body, dead_letter_of, dead_letters
from ..access.identity import Role, needs, who
from ..context import reading
from . import asked as asks
from .answer import Rows, one, rows
from .body import Name, Natural, Reasoned, takes
from .document import PREFIX, gives, gives_bytes
from .done import Done, answered

blueprint = APIBlueprint("api_letters", __name__, url_prefix=f"{PREFIX}/dead-letters", tag="dead letters")


class LettersAsked(asks.Part):
    """Which dead letters."""

    run = asks.number("about this run")
    code = asks.word("with this code")
    queue = asks.word("from this queue")
    subject = asks.word("about this")
    every = asks.flag("those too that are replayed, forgotten or dealt with")
    order = asks.sort("the latest first, or the oldest", ("-last", "last"))


@blueprint.get("")
@blueprint.input(LettersAsked, location="query")
@gives(Rows[DeadLetterRow])
def index(query_data: dict[str, Any]) -> Response:
    """List what could not be used, the latest first unless `sort` says otherwise."""
    falling = query_data["order"].startswith("-")
    with reading() as connection:
        which = asks.filters(query_data, "order")
        listed = dead_letters(connection, asks.page(query_data), **which, falling=falling)
    return rows(listed, query_data["wanted"])


@blueprint.get("/<number:number>")
@blueprint.input(asks.One, location="query")
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


class Met(Done):
    """What became of dead letters: `changed` of `total` that are meant; the others cannot be replayed."""

    total: int


class Chosen(Reasoned):
    """Which dead letters: by their numbers, or all open ones of a code."""

    ids: Annotated[tuple[Natural, ...], Meta(max_length=10_000)] = ()
    code: Name | None = None


@blueprint.post("/<number:number>/replay")
@blueprint.input(asks.Changing, location="query")
@gives(Met)
@takes(Reasoned, {"reason": "the configuration is mended"})
@needs(Role.OPERATOR)
def replay(number: int, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """Ask a conductor to try a dead letter again; what is still bad comes back, counted."""
    return _change("replay", Chosen(ids=(number,), reason=asked.reason), query_data)


@blueprint.post("/<number:number>/forget")
@blueprint.input(asks.Changing, location="query")
@gives(Met)
@takes(Reasoned, {"reason": "a test file"})
@needs(Role.OPERATOR)
def forget(number: int, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """Take a dead letter off the list; it can still be shown by its number."""
    return _change("forget", Chosen(ids=(number,), reason=asked.reason), query_data)


@blueprint.post("/replay")
@blueprint.input(asks.Changing, location="query")
@gives(Met, refuses=(404,))
@takes(Chosen, {"code": "vanished", "reason": "the disk is mounted again"})
@needs(Role.OPERATOR)
def replay_many(query_data: dict[str, Any], asked: Chosen) -> Response:
    """Ask a conductor to try several dead letters again: by number, or all open ones of a code."""
    return _change("replay", asked, query_data)


@blueprint.post("/forget")
@blueprint.input(asks.Changing, location="query")
@gives(Met, refuses=(404,))
@takes(Chosen, {"ids": [17, 18], "reason": "test files"})
@needs(Role.OPERATOR)
def forget_many(query_data: dict[str, Any], asked: Chosen) -> Response:
    """Take several dead letters off the list: by number, or all open ones of a code."""
    return _change("forget", asked, query_data)


def _change(what: str, chosen: Chosen, query: dict[str, Any]) -> Response:
    if bool(chosen.ids) == (chosen.code is not None):
        raise BadRequest("name dead letters by ids, or all of one code by code")
    act = letters.ask_replay if what == "replay" else letters.forget

    def change(connection: Connection) -> Met:
        did = act(connection, chosen.ids, chosen.code, actor=who().name, reason=chosen.reason)
        if did.total and not did.changed:
            raise RefusedError(f"nothing to {what}: it cannot be replayed, for it was cut, or is of no queue")
        sentence = f"{'asked the conductors to replay' if what == 'replay' else 'forgot'} {did.changed} dead letters"
        link, dry_run = "/dead-letters", query["dry_run"]
        return Met(done=sentence, changed=did.changed, link=link, dry_run=dry_run, total=did.total)

    return answered(chosen, change, dry_run=query["dry_run"])
