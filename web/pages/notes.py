"""What people say of a run on its page: notes, and how good its data are."""

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import BadRequest

from ...statemachine.store import notes, runs
from ..access.identity import Role, needs
from ..context import changing
from . import acting

blueprint = Blueprint("notes", __name__)


@blueprint.post("/runs/<number:number>/note")
@needs(Role.OPERATOR)
def write(number: int) -> Response:
    """Write a note, and lead back to it."""
    text = request.form.get("text", "")
    if "\0" in text:
        raise BadRequest("text: this holds a character that nothing can hold.")
    file = acting.field("file") or None
    with changing() as connection:
        notes.write(connection, number, text, acting.actor(), file=file)
    return _back(number)


@blueprint.post("/runs/<number:number>/quality")
@needs(Role.OPERATOR)
def judge(number: int) -> Response:
    """Say how good the data are, and lead back."""
    why = acting.reason()
    with changing() as connection:
        runs.judge(connection, number, acting.field("quality"), acting.actor(), why)
    return _back(number)


def _back(number: int) -> Response:
    response = redirect(url_for("run.show", number=number, _anchor="notes"), 303)
    assert isinstance(response, Response)  # noqa: S101 (werkzeug's type is wider)  # nosec B101
    return response
