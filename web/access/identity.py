"""Who asks, with which roles; what a route needs; and the one guard that compares the two before anything is done."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from flask import Flask, current_app, g, request
from werkzeug.exceptions import Forbidden, Unauthorized

from ...statemachine.records import Record
from ..context import here

View = TypeVar("View", bound=Callable[..., Any])
NEEDS = "_headframe_needs"
SAFE = ("GET", "HEAD", "OPTIONS")


class Role(StrEnum):
    """What somebody may do. Viewer, operator and administrator each include the one before; the committee is apart."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    COMMITTEE = "blinding-committee"


INCLUDES = {
    Role.VIEWER: {Role.VIEWER},
    Role.OPERATOR: {Role.VIEWER, Role.OPERATOR},
    Role.ADMINISTRATOR: {Role.VIEWER, Role.OPERATOR, Role.ADMINISTRATOR},
    Role.COMMITTEE: {Role.VIEWER, Role.COMMITTEE},
}


class Identity(Record):
    """Somebody who asks: the name that history will show, what they may do, and how they showed who they are."""

    name: str = ""
    roles: frozenset[Role] = frozenset()
    how: str = "nobody"

    def may(self, role: Role) -> bool:
        """Say whether they have a role, by itself or included in another."""
        return any(role in INCLUDES[own] for own in self.roles)


NOBODY = Identity()
Knower = Callable[[], Identity | None]
"""Looks at the request for one way to show who asks; none where that way was not taken."""


def install(app: Flask, knowers: tuple[Knower, ...] = ()) -> None:
    """Have each request's sender known by the first of `knowers` that knows them, and guard all routes."""

    def guard() -> None:
        g.identity = next((found for knower in knowers if (found := knower()) is not None), NOBODY)
        _check()

    app.before_request(guard)


def who() -> Identity:
    """Give who sent this request; `NOBODY` where they have not said."""
    identity: Identity = g.get("identity", NOBODY)
    return identity


def may(role: Role) -> bool:
    """Say whether who asks may do what takes this role, as the guard would."""
    return who().may(role) or (role is Role.VIEWER and here().settings.reading == "open")


def needs(role: Role | None) -> Callable[[View], View]:
    """Mark a view with the role that it takes; none: everybody may, signed in or not, also where reading is closed.

    Put it directly on the function, below all other decorators. Without a mark a view takes a viewer, and must not
    answer to anything but GET: `unmarked` finds those that do.
    """

    def mark(view: View) -> View:
        setattr(view, NEEDS, role)
        return view

    return mark


def needed(app: Flask, endpoint: str) -> Role | None:
    """Give the role that a route takes."""
    if endpoint == "static" or endpoint.endswith(".static"):
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


def _check() -> None:
    if request.endpoint is None:
        return
    role = needed(current_app, request.endpoint)
    if role is None or may(role):
        return
    if who() is NOBODY:
        raise Unauthorized(f"this needs somebody with the role {role}; sign in, or send a token")
    raise Forbidden(f"this needs the role {role}, which {who().name} does not have")
