"""Who asks, with which roles; what a route needs; and the one guard that compares the two before anything is done."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from flask import Flask, current_app, g, redirect, request, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response

from ...statemachine.records import Record
from ...statemachine.roles import INCLUDES, Role, allowed
from ..context import here

__all__ = ["INCLUDES", "NOBODY", "SAFE", "Identity", "Knower", "Role", "install", "may", "needed", "needs", "who"]

View = TypeVar("View", bound=Callable[..., Any])
NEEDS = "_headframe_needs"
READS = "_headframe_reads"
SAFE = ("GET", "HEAD", "OPTIONS")
API = "/api/v1/"


class Identity(Record):
    """Somebody who asks: the name that history will show, what they may do, and how they showed who they are.

    `how` is `session`, `token` (one of ours), `issuer` (a bearer token of theirs) or `nobody`. `source` is empty for a
    local user, `service` for a program, else the issuer that knows the name. `resources` are what a token may change
    under /api/v1, such as `arrivals` or `launchers/perlmutter`, everything where it names none; `number` is the
    session's or token's own.
    """

    name: str = ""
    roles: frozenset[Role] = frozenset()
    how: str = "nobody"
    display: str = ""
    source: str = ""
    resources: tuple[str, ...] = ()
    number: int = 0
    expires_at: datetime | None = None

    @property
    def owner(self) -> tuple[str, str]:
        """Whose sessions and tokens are their own: two sources may know the same name."""
        return self.source, self.name

    def may(self, role: Role) -> bool:
        """Say whether they have a role, by itself or included in another."""
        return allowed(role, self.roles)


NOBODY = Identity()
Knower = Callable[[], Identity | None]
"""Looks at the request for one way to show who asks; none where that way was not taken."""
Check = Callable[[], None]


def install(app: Flask, knowers: tuple[Knower, ...] = (), checks: tuple[Check, ...] = ()) -> None:
    """Have each request's sender known by the first of `knowers` that knows them, and guard all routes.

    `checks` are what else a request that may be done has to pass; each raises what refuses it.
    """

    def guard() -> Response | None:
        if _static(request.endpoint):
            return None
        g.identity = next((found for knower in knowers if (found := knower()) is not None), NOBODY)
        if request.endpoint is None:
            return None
        if _must_sign_in():
            return redirect(url_for("account.sign_in", next=request.full_path.rstrip("?")))
        _check()
        for check in checks:
            check()
        return None

    app.before_request(guard)
    app.context_processor(lambda: {"who": who(), "may": may})


def who() -> Identity:
    """Give who sent this request; `NOBODY` where they have not said."""
    identity: Identity = g.get("identity", NOBODY)
    return identity


def may(role: Role) -> bool:
    """Say whether who asks may do what takes this role, as the guard would."""
    return who().may(role) or (role == Role.VIEWER and here().settings.reading == "open")


def needs(role: Role | None) -> Callable[[View], View]:
    """Mark a view with the role that it takes; none: everybody may, signed in or not, also where reading is closed.

    Put it directly on the function, below all other decorators. Without a mark a view takes a viewer, and must not
    answer to anything but GET: `unmarked` finds those that do.
    """

    def mark(view: View) -> View:
        setattr(view, NEEDS, role)
        return view

    return mark


def only_reads(view: View) -> View:
    """Mark a view that changes nothing although it takes more than an address holds: anybody's page may ask it."""
    setattr(view, READS, True)
    return view


def reads_only(app: Flask, endpoint: str) -> bool:
    """Say whether a route changes nothing, by whichever method it is asked."""
    return bool(getattr(app.view_functions[endpoint], READS, False))


def needed(app: Flask, endpoint: str) -> Role | None:
    """Give the role that a route takes."""
    if _static(endpoint):
        return None
    role: Role | None = getattr(app.view_functions[endpoint], NEEDS, Role.VIEWER)
    return role


def unmarked(app: Flask) -> list[str]:
    """Name the routes that can change something and do not say whom they let."""
    return [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) - set(SAFE) and not hasattr(app.view_functions[rule.endpoint], NEEDS)
    ]


def unauthorized(said: str, error: str = "") -> Unauthorized:
    """Make a 401 that says how one shows who one is; `error` is one of RFC 6750's words for a token that is wrong."""
    told: dict[str, str | None] = {"realm": "headframe"}
    if error:
        told.update(error=error, error_description=said)
    return Unauthorized(said, www_authenticate=WWWAuthenticate("bearer", told))


def _static(endpoint: str | None) -> bool:
    return endpoint is not None and (endpoint == "static" or endpoint.endswith(".static"))


def _must_sign_in() -> bool:
    """Say whether this is somebody's browser, whose page is for those who have signed in."""
    asks = request.method == "GET" and not request.path.startswith("/api/") and "part" not in request.args
    if not asks or who() is not NOBODY or request.accept_mimetypes.best != "text/html":
        return False
    role = needed(current_app, str(request.endpoint))
    return role is not None and not may(role) and "account.sign_in" in current_app.view_functions


def _check() -> None:
    role = needed(current_app, str(request.endpoint))
    if role is not None and not may(role):
        if who() is NOBODY:
            raise unauthorized(f"this needs somebody with the role {role}; sign in, or send a token")
        raise Forbidden(f"this needs the role {role}, which {who().name} does not have")
    if request.method not in SAFE and who().resources and not reads_only(current_app, str(request.endpoint)):
        _within(who().resources)


def _within(resources: tuple[str, ...]) -> None:
    """A token for some resources changes nothing else; each is a path below the API, and stands for all beneath it."""
    asked = f"{request.path}/"
    if not any(asked.startswith(f"{API}{resource}/") for resource in resources):
        raise Forbidden(f"this token may change {', '.join(resources)} and nothing else")
