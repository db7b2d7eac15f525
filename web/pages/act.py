"""`/act`: one action on what an address selects, counted first, then done with a reason: buttons without scripts."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as Answer

from ...statemachine.store.operating import Order, Selection, act, follow, look
from ...statemachine.store.operating.order import ACTIONS, checked
from .. import asked
from ..access.identity import Role, needs, who
from ..context import changing, reading
from .acting import reason

MOST = 10_000
WORDS = ("campaign", "phase", "reason_code", "scope")
NUMBERS = {"run": "runs", "item": "items"}
LOOKING = "to see what would be done"
blueprint = Blueprint("act", __name__)


@blueprint.get("/act")
@needs(Role.OPERATOR)
def ask() -> str:
    """Say exactly what an action would change, and ask for the reason."""
    order = _order(request.args, LOOKING)
    with reading() as connection:
        seen = look(connection, checked(connection, order))
    kept = [(name, value) for name, value in request.args.items(multi=True) if name in (*WORDS, *NUMBERS)]
    return render_template("act.html", action=request.args["action"], seen=seen, kept=kept)


@blueprint.post("/act")
@needs(Role.OPERATOR)
def do() -> Answer:
    """Do it, if it is still what was seen; a large one goes on by itself."""
    order = _order(request.form, reason(), selected=request.form.get("selected") or None)
    with changing() as connection:
        acted = act(connection, order)
    with changing() as connection:
        follow(connection, acted)
    if acted.waits or not order.selection.runs:
        return redirect(url_for("operation.show", number=acted.operation), 303)
    return redirect(url_for("run.show", number=order.selection.runs[0]), 303)


def _order(said: "MultiDict[str, str]", why: str, selected: str | None = None) -> Order:
    """Read an action and what it is for. Raises `BadRequest`."""
    action = said.get("action", "")
    if action not in ACTIONS or action == "reset":
        raise BadRequest(f"action: one of {', '.join(name for name in ACTIONS if name != 'reset')}.")
    words: dict[str, Any] = {name: asked.storable(name, said[name]) for name in WORDS if said.get(name)}
    numbers: dict[str, Any] = {field: tuple(map(_number, said.getlist(name)[:MOST])) for name, field in NUMBERS.items()}
    return Order(
        trigger=ACTIONS[action],
        selection=Selection(**words, **numbers),
        actor=who().name,
        reason=why,
        selected=selected,
    )


def _number(value: str) -> int:
    number = asked.whole(value)
    if number is None:
        raise BadRequest(f"“{value[:40]}” is no number.")
    return number
