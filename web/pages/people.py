"""`/people`: for administrators, who has which role, which tokens there are, and what was done about access."""

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as Answer

from ...statemachine.roles import Role, known
from ...statemachine.store.access import events, people, tokens
from ..access import bearer, cookie
from ..access.identity import needs, who
from ..context import changing, reading
from .account import _app

blueprint = Blueprint("people", __name__)


@blueprint.get("/people")
@needs(Role.ADMINISTRATOR)
def show() -> Response:
    """List local users, all tokens, the latest events."""
    with reading() as connection:
        page = render_template(
            "people.html",
            people=people.people(connection),
            tokens=tokens.tokens(connection),
            events=events.events(connection),
            roles=list(Role),
        )
    answer = make_response(page)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/people/<name>/roles")
@needs(Role.ADMINISTRATOR)
def set_roles(name: str) -> Answer:
    """Change what a user may do."""
    _not_oneself(name)
    with changing() as connection:
        people.set_roles(connection, name, known(request.form.getlist("role")), actor=who().name)
    return _done()


@blueprint.post("/people/<name>/<any(disable, enable):what>")
@needs(Role.ADMINISTRATOR)
def switch(name: str, what: str) -> Answer:
    """Let a user do nothing any more, or again."""
    _not_oneself(name)
    with changing() as connection:
        people.disable(connection, name, actor=who().name, enabled=what == "enable")
    return _done()


@blueprint.post("/people/tokens/<number:number>/revoke")
@needs(Role.ADMINISTRATOR)
def revoke(number: int) -> Answer:
    """End anybody's token."""
    with changing() as connection:
        tokens.revoke(connection, number, actor=who().name)
    return _done()


def _not_oneself(name: str) -> None:
    if who().owner == (people.LOCAL, name):
        raise BadRequest("somebody else has to change what you may do, so that one administrator stays")


def _done() -> Answer:
    cookie.forget(_app())
    bearer.forget(_app())
    return redirect(url_for("people.show"), 303)
