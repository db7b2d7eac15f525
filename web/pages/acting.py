"""Small forms by which operators change something: asked for by a link, sent with a reason, answered by the page."""

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Response, redirect, request, url_for
from werkzeug.exceptions import BadRequest

from .. import asked
from ..access.identity import Role, may, who
from ..context import here

LONGEST = 2000
DONE = {
    "pause": "Paused. What is executing runs on to its end.",
    "resume": "It goes on.",
    "drain": "Told to finish what it does, and leave.",
    "replay": "The conductors try them again; what is still bad comes back here.",
    "begin": "Begun. Its items are made now, a page at a time; each goes out as soon as it is there.",
    "grow": "It takes in what was counted, a page at a time.",
    "close": "Closed: no more runs join. What it has goes on.",
    "end": "Closed. What is not done is being cancelled.",
    "cancel": "The rest is left as it is.",
    "pilot-drain": "Its launcher tells it in its next round: it finishes what it does, and leaves.",
    "pilot-cancel": "Its launcher ends its job in its next round; what it did is done elsewhere.",
    "acknowledge": "Acknowledged: nobody else is told until it ends.",
    "withdraw": "Taken back: it is told again.",
    "forget": "Taken off the list; they can still be found among all.",
}
"""What a page says after each action."""


class Act(NamedTuple):
    """An action that a form offers: what it does, in words; what the form sends; its twins for programs.

    `fields` are hidden ones. `says` is what follows from it. The command lacks only its reason.
    """

    verb: str
    title: str
    says: str
    fields: Mapping[str, str]
    command: str
    curl: str


def operator() -> bool:
    """Say whether who looks may act."""
    return may(Role.OPERATOR)


def twin(method: str, path: str, body: str = "") -> str:
    """Write a call of the API as curl; the reason stands in for itself."""
    base = here().settings.url.rstrip("/") or request.url_root.rstrip("/")
    sent = f" --json {shlex.quote(body)}" if body else ""
    return f'curl -X {method} -H "Authorization: Bearer $TOKEN" {base}/api/v1{path}{sent}'


def field(name: str) -> str:
    """Give what a form sent. Raises `BadRequest` where no record can hold it."""
    return asked.storable(name, request.form.get(name, "").strip(), LONGEST)


def reason() -> str:
    """Give the reason that the form sent. Raises `BadRequest` where it is blank."""
    said = field("reason")
    if not said:
        raise BadRequest("Please say why: the reason is kept with who did it, and when.")
    return said


def actor() -> str:
    """Give who acts."""
    return who().name


def back(endpoint: str, did: str, **values: Any) -> Response:
    """Lead back to a page, which says what was done: reloading that does nothing again."""
    response = redirect(url_for(endpoint, did=did, **values), 303)
    assert isinstance(response, Response)  # noqa: S101 (werkzeug's type is wider)  # nosec B101
    return response


def did() -> str:
    """Say what has just been done, where this page was led to by an action; else nothing."""
    return DONE.get(request.args.get("did", ""), "")
