"""`/dead-letters`: what could not be used, the latest first; one with its message; what operators do about it."""

import msgspec
from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, NotFound

from ...statemachine.store import letters
from ...statemachine.store.errors import RefusedError
from ...statemachine.views import (
    DeadLetterRow,
    dead_letter_body,
    dead_letter_codes,
    dead_letter_of,
    dead_letters,
)
from .. import asked
from ..access.identity import Role, needs
from ..context import changing, reading
from ..live import live_page
from . import acting
from .acting import Act, field

ROWS = 50
SHOWN = 20_000
SAYS = {
    "replay": "A conductor sends them to where they came from, or has the file looked at again. "
    "What is still bad comes back.",
    "forget": "Nobody has to look any more. They stay in the table, and come back if they come again.",
}
blueprint = Blueprint("dead", __name__)


@blueprint.get("/dead-letters")
def show() -> Response:
    """List dead letters, the open ones unless all are asked for."""
    page, code, queue, run = asked.page(ROWS), asked.word("code"), asked.word("queue"), _run()
    every = asked.word("all") is not None
    with reading() as connection:
        listed = dead_letters(connection, page, code=code, queue=queue, run=run, every=every)
        codes = dead_letter_codes(connection)
    return live_page(
        "dead",
        letters=listed.rows,
        following=listed.next,
        codes=codes,
        page=page,
        code=code,
        queue=queue,
        run=run,
        every=every,
        operator=acting.operator(),
        act=_offered(),
        did=acting.did(),
    )


@blueprint.get("/dead-letters/<number:number>")
def one(number: int) -> Response:
    """Show one dead letter with as much of its message as a page can hold."""
    with reading() as connection:
        letter = _found(dead_letter_of(connection, number), number)
        body = dead_letter_body(connection, number)
    shown = written(body) or letter.payload
    return live_page(
        "letter", letter=letter, kept=len(body), shown=shown[:SHOWN], cut=len(shown) > SHOWN, operator=acting.operator()
    )


@blueprint.get("/dead-letters/<number:number>/body")
def body(number: int) -> Response:
    """Give the message byte by byte, to be kept as a file: what strangers wrote is never opened by a browser."""
    with reading() as connection:
        _found(dead_letter_of(connection, number), number)
        content = dead_letter_body(connection, number)
    response = Response(content, mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="dead-letter-{number}"'
    return response


@blueprint.post("/dead-letters")
@needs(Role.OPERATOR)
def act() -> Response:
    """Have dead letters tried again, or take them off the list: one, or all of a code."""
    verb, why = field("act"), acting.reason()
    ids, code = _chosen(field("id"), field("code"))
    change = {"replay": letters.ask_replay, "forget": letters.forget}.get(verb)
    if change is None:
        raise BadRequest("This form asks for an action that there is not.")
    with changing() as connection:
        did = change(connection, ids, code, actor=acting.actor(), reason=why)
        if field("n") not in ("", str(did.changed)):
            raise RefusedError(f"there are {did.changed} now, not {field('n')}; nothing was changed, please look again")
    return acting.back("dead.show", verb)


def written(content: bytes) -> str:
    """Write a message for a screen: JSON in lines, anything else as it is."""
    try:
        return msgspec.json.format(msgspec.json.encode(msgspec.json.decode(content)), indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode("utf-8", "backslashreplace")


def _offered() -> Act | None:
    """Give the form that the address asks for, with the exact number that it will change."""
    verb, what, name = (request.args.get(key, "").strip()[:500] for key in ("act", "what", "name"))
    if not verb or not acting.operator():
        return None
    if verb not in SAYS or what not in ("code", "letter") or not name or "\0" in name:
        raise BadRequest("This address asks for an action that there is not.")
    ids, code = _chosen(name if what == "letter" else "", name if what == "code" else "")
    with reading() as connection:
        n = letters.count(connection, ids, code, replay=verb == "replay").changed
    of = f"{n} dead letters with code {code}" if code else f"dead letter {name}"
    return Act(
        verb=verb,
        title=f"{verb} {of}".capitalize() if n or not code else f"There is none left to {verb} with code {code}",
        says=SAYS[verb],
        fields={"act": verb, "id": name if not code else "", "code": code or "", "n": str(n) if code else ""},
        command=f"headframe dead {verb} " + (f"--all-of {code}" if code else name),
        curl=acting.twin("POST", f"/dead-letters/{name}/{verb}", '{"reason": "..."}') if not code else "",
    )


def _chosen(number: str, code: str) -> tuple[tuple[int, ...], str | None]:
    if bool(number) == bool(code):
        raise BadRequest("Name one dead letter, or a code.")
    if number and asked.whole(number) is None:
        raise BadRequest(f"“{number[:40]}” is no dead letter's number.")
    return ((int(number),), None) if number else ((), code)


def _run() -> int | None:
    said = asked.word("run")
    if said is not None and asked.whole(said) is None:
        raise BadRequest(f"“{said[:40]}” is no run number.")
    return None if said is None else int(said)


def _found(letter: DeadLetterRow | None, number: int) -> DeadLetterRow:
    if letter is None:
        raise NotFound(f"There is no dead letter {number} here.")
    return letter
