"""`/alerts`: what needs somebody and who knows of it, what was told and is over; acknowledged by a form."""

import shlex
from collections.abc import Container
from datetime import timedelta
from typing import NamedTuple

import msgspec
from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from ...statemachine.store import alerts as store
from ...statemachine.views import AlertRow, alerts, detectors, holding, receivers
from ..access.identity import Role, needs
from ..context import changing, here, reading
from ..live import live_page
from . import acting
from .acting import Act, actor, field, reason, twin

LASTING = {"1": "one hour", "4": "four hours", "8": "one shift (eight hours)", "24": "a day", "72": "three days"}
"""For how many hours one may acknowledge by the form; REST and the command take any number up to thirty days."""
RECENT = 50
VERBS = ("acknowledge", "withdraw")
blueprint = Blueprint("alerts", __name__)


class Shown(NamedTuple):
    """An alert that has been cleared, and for how long it lasted."""

    row: AlertRow
    lasted: timedelta | None


@blueprint.get("/alerts")
def show() -> Response:
    """Show all alerts."""
    with reading() as connection:
        open_ones = alerts(connection)
        over = alerts(connection, "cleared")[:RECENT]
        known = [ack for ack in holding(connection) if not ack.open]
        told = receivers(connection)
        running = detectors(connection)
    return live_page(
        "alerts",
        alerts=open_ones,
        over=[Shown(row, _lasted(row)) for row in over],
        beforehand=known,
        receivers=told,
        detectors=running,
        operator=acting.operator(),
        handbook=here().settings.handbook,
        act=_offered({(row.code, row.name) for row in open_ones} | {(ack.code, ack.name) for ack in known}),
        lasting=LASTING,
        did=acting.did(),
    )


@blueprint.post("/alerts")
@needs(Role.OPERATOR)
def act() -> Response:
    """Acknowledge an alert, or take that back."""
    verb, code, name = field("act"), field("what"), field("name")
    with changing() as connection:
        if verb == "acknowledge":
            store.acknowledge(connection, code, name, actor(), reason(), _hours() * 3600)
        elif verb == "withdraw":
            store.withdraw(connection, code, name, actor(), reason())
        else:
            raise BadRequest("This form asks for an action that there is not.")
    return acting.back("alerts.show", verb)


def _hours() -> float:
    said = field("hours")
    if said not in LASTING:
        raise BadRequest("Please say for how long: an acknowledgement ends by itself, and then it is told again.")
    return float(said)


def _offered(shown: Container[tuple[str, str]]) -> Act | None:
    """Give the form that the address asks for; none where it asks for none, or who looks may not."""
    verb, code, name = (request.args.get(key, "").strip()[:500] for key in ("act", "what", "name"))
    if not verb or not acting.operator():
        return None
    if verb not in VERBS or not code:
        raise BadRequest("This address asks for an action that there is not.")
    if (code, name) not in shown:
        return None
    which, word = store.said(code, name), "ack" if verb == "acknowledge" else "unack"
    ends = "Nobody is told of it until then; it stays shown, with your name." if word == "ack" else "It is told again."
    body = {"code": code, "name": name, "reason": "...", **({"hours": 4} if word == "ack" else {})}
    lasting = " --for 4h" if word == "ack" else ""
    return Act(
        verb=verb,
        title=f"{'Acknowledge' if word == 'ack' else 'Take back the acknowledgement of'} {which}",
        says=ends,
        fields={"act": verb, "what": code, "name": name},
        command=f"headframe alerts {word} {shlex.join([code, *([name] if name else [])])}{lasting}",
        curl=twin("POST", f"/alerts/{word}", msgspec.json.encode(body).decode()),
    )


def _lasted(row: AlertRow) -> timedelta | None:
    return row.cleared_at - row.fired_at if row.cleared_at and row.fired_at else None
