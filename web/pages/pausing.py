"""Pausing, resuming and draining from a page: the same functions that the command line calls."""

import shlex
from collections.abc import Sequence
from typing import cast, get_args
from urllib.parse import quote

import msgspec
from flask import request
from werkzeug.exceptions import BadRequest

from ...statemachine.store import pauses
from ...statemachine.store.errors import RefusedError
from ...statemachine.store.pauses import What
from ..context import changing
from .acting import Act, actor, field, operator, reason, twin

SAYS = {
    "pause": {
        "step": "Nothing of this step is sent out, and workers leave its queues alone.",
        "lane": "Nothing of this lane is sent out, whatever the step, and workers leave its queues alone.",
        "site": "Nothing is sent out that would be written there; what has another copy is read elsewhere.",
        "worker": "It takes nothing new.",
        "node": "Its workers take nothing new, and no pilot is sent there.",
    },
    "resume": {
        **dict.fromkeys(get_args(What), "What waits goes out again, in its order."),
        "node": "Its workers take work again, and pilots may be sent there.",
    },
    "drain": {"worker": "It finishes what it does, hands back what it has not begun, and leaves."},
}


def offered(whats: Sequence[str]) -> Act | None:
    """Give the form that the address asks for; none where it asks for none, or who looks may not."""
    verb, what, name = (request.args.get(key, "").strip()[:500] for key in ("act", "what", "name"))
    if not verb or not operator():
        return None
    if what not in whats or what not in SAYS.get(verb, {}) or not name:
        raise BadRequest("This address asks for an action that there is not.")
    command = f"headframe {verb} --{what} {shlex.quote(name)}"
    return Act(
        verb=verb,
        title=f"{verb} {what} {name}".capitalize(),
        says=SAYS[verb][what],
        fields={"act": verb, "what": what, "name": name},
        command=command,
        curl=_curl(verb, what, name),
    )


def carried_out(whats: Sequence[str]) -> str:
    """Do what the form says; give the verb. Raises `NotFoundError`, `RefusedError`, `BadRequest`."""
    verb, what, name, why = field("act"), field("what"), field("name"), reason()
    if what not in whats or what not in SAYS.get(verb, {}):
        raise BadRequest("This form asks for an action that there is not.")
    with changing() as connection:
        if verb == "drain":
            pauses.drain(connection, name, actor(), why)
        elif verb == "resume":
            pauses.resume(connection, cast("What", what), name, actor(), why)
        elif not pauses.pause(connection, cast("What", what), name, actor(), why):
            raise RefusedError(f"{what} {name} is paused already; nothing was changed")
    return verb


def _curl(verb: str, what: str, name: str) -> str:
    because = {"reason": "..."}
    if verb == "pause":
        return twin("POST", "/pauses", _json({"what": what, "name": name, **because}))
    if verb == "resume":
        return twin("DELETE", f"/pauses/{what}/{quote(name, safe='')}", _json(because))
    return twin("POST", f"/workers/{quote(name, safe='')}/drain", _json(because))


def _json(body: dict[str, str]) -> str:
    return msgspec.json.encode(body).decode()
