"""`/sign-in`, `/sign-out`, `/account`: who I am here, my tokens and my sessions. All of it works without JavaScript."""

import contextlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, Forbidden, NotFound
from werkzeug.wrappers import Response as Answer

from ...statemachine.roles import Role, known, within
from ...statemachine.schema.access import TOKEN_DAYS
from ...statemachine.store.access import people, sessions, tokens
from ...statemachine.store.errors import NotFoundError, RefusedError
from .. import asked
from ..access import bearer, cookie, local, oidc
from ..access.identity import NOBODY, Identity, needs, who
from ..access.limits import limits
from ..access.provider import ProviderError
from ..context import changing, reading

DAYS = (7, 30, 90, 365)
View = TypeVar("View", bound=Callable[..., Any])
Reply = TypeVar("Reply", bound=Answer)
blueprint = Blueprint("account", __name__)


def own(view: View) -> View:
    """Let in only who has signed in at the pages: a token must not make tokens."""

    @wraps(view)
    def guarded(*args: Any, **values: Any) -> Any:
        if who() is NOBODY:
            return redirect(url_for("account.sign_in", next=request.path if request.method == "GET" else None))
        if who().how != "session":
            raise Forbidden("this page is for people who have signed in, not for tokens")
        return view(*args, **values)

    return cast("View", guarded)


@blueprint.get("/sign-in")
@needs(None)
def sign_in() -> Answer:
    """Ask who they are."""
    to = onward(request.args.get("next", ""))
    return redirect(to) if who().how == "session" else _form(to)


@blueprint.post("/sign-in")
@needs(None)
def signed_in() -> Answer:
    """Sign in by name and password."""
    to = onward(request.form.get("next", ""))
    name = request.form.get("name", "").strip().lower()
    found = local.checked(name, request.form.get("password", ""))
    if found is None:
        return _form(to, 401, "The name or the password is wrong.", name)
    _renew(found, source=people.LOCAL, how="password")
    return redirect(to, 303)


@blueprint.get("/sign-in/provider")
@needs(None)
def provider() -> Answer:
    """Send the browser to the OpenID provider."""
    if oidc.configured() is None:
        raise NotFound("No OpenID provider is configured here; sign in with a name and a password.")
    limits().sign_in("address", request.remote_addr or "")
    try:
        return _private(redirect(oidc.begin(_app(), onward(request.args.get("next", "")))))
    except (oidc.SignInError, ProviderError) as error:
        return _form("/", 503, _sentence(error))


@blueprint.get("/sign-in/callback")
@needs(None)
def callback() -> Answer:
    """Sign in who comes back from the provider."""
    try:
        found = oidc.finish(_app())
    except oidc.SignInError as error:
        return _form("/", 403, _sentence(error))
    except ProviderError as error:
        return _form("/", 503, _sentence(error))
    with reading() as connection:
        taken = people.find(connection, found.name) is not None
    if taken:
        return _form("/", 403, f"There is a local user {found.name} too, so history could not tell you apart.")
    identity = Identity(name=found.name, display=found.display, roles=found.roles)
    _renew(identity, source=found.source, how="provider")
    return redirect(onward(found.to), 303)


@blueprint.post("/sign-out")
@needs(None)
def sign_out() -> Answer:
    """End this session."""
    cookie.sign_out(_app(), who())
    return redirect(url_for("runs.show"), 303)


@blueprint.get("/account")
@own
@needs(None)
def show() -> Answer:
    """Show who I am, my tokens and my sessions."""
    return _account()


@blueprint.post("/account/tokens")
@own
@needs(None)
def make_token() -> Answer:
    """Make a token for who has signed in; its secret is shown this once."""
    me, form = who(), request.form
    wanted = known(form.getlist("role"))
    days = asked.whole(form.get("days", ""))
    if days is None or wanted != within(wanted, me.roles):
        raise BadRequest("a token needs a number of days, and only roles that you have yourself")
    resources = form.get("resources", "").replace(",", " ").split()
    with changing() as connection:
        _, secret = tokens.make(
            connection, me.name, wanted, days, actor=me.name, source=me.source,
            label=form.get("label", "").strip(), resources=resources,
        )  # fmt: skip
    return _account(secret)


@blueprint.post("/account/tokens/<number:number>/revoke")
@own
@needs(None)
def revoke_token(number: int) -> Answer:
    """End one of my tokens."""
    with changing() as connection:
        tokens.revoke(connection, number, actor=who().name, owner=who().owner)
    bearer.forget(_app())
    return redirect(url_for("account.show"), 303)


@blueprint.post("/account/sessions/<number:number>/end")
@own
@needs(None)
def end_session(number: int) -> Answer:
    """End one of my sessions, on whichever browser."""
    with changing() as connection:
        sessions.end(connection, number, who().owner, address=request.remote_addr or "")
    cookie.forget(_app())
    return redirect(url_for("account.show"), 303)


@blueprint.post("/account/password")
@own
@needs(None)
def change_password() -> Answer:
    """Change my own password; all my sessions end, this one begins anew."""
    from ..access import passwords

    me, form = who(), request.form
    if me.source != people.LOCAL or local.checked(me.name, form.get("password", "")) is None:
        raise RefusedError("that is not your present password")
    if form.get("new") != form.get("again"):
        raise RefusedError("the new password was not written the same twice")
    with changing() as connection:
        people.set_password(connection, me.name, passwords.hashed(form.get("new", ""), me.name), actor=me.name)
    _renew(me, source=people.LOCAL, how="password")
    return redirect(url_for("account.show"), 303)


def onward(to: str) -> str:
    """Give the path to go on to: one of ours, or the first page. A browser reads a backslash as a slash."""
    parts = urlsplit(to)
    foreign = parts.scheme or parts.netloc or not to.startswith("/") or to.startswith(("//", "/\\", "/sign-"))
    return "/" if foreign or any(ord(c) < 32 or c == "\\" for c in to) else to


def _account(secret: str = "") -> Response:  # none is made  # nosec B107
    me = who()
    with reading() as connection:
        mine, open_ones = tokens.tokens(connection, owner=me.owner), sessions.sessions(connection, me.owner)
    roles = [role for role in Role if me.may(role)]
    page = render_template(
        "account.html", secret=secret, tokens=mine, sessions=open_ones, roles=roles, days=DAYS, longest=TOKEN_DAYS
    )
    return _private(make_response(page))


def _form(to: str, status: int = 200, line: str = "", name: str = "") -> Response:
    cookie.load_key(_app())
    page = render_template("sign_in.html", to=to, line=line, name=name, oidc=oidc.configured())
    return _private(make_response(page, status))


def _renew(found: Identity, *, source: str, how: str) -> None:
    """Begin a session under a new id, and end the one that this browser had."""
    old = who()
    if old.how == "session":
        with changing() as connection, contextlib.suppress(NotFoundError):
            sessions.end(connection, old.number, old.owner)
    cookie.sign_in(_app(), found, source=source, how=how)


def _private(answer: Reply) -> Reply:
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _sentence(error: Exception) -> str:
    said = str(error)
    return f"{said[:1].upper()}{said[1:]}."


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app
