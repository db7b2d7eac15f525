"""`/operations/<number>`: one action: of what, why, how far it is and when it will be done; an operator may end it."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from ...statemachine.store.operating import CANCELLABLE, OPEN, cancel
from ...statemachine.views import OperationRow
from ...statemachine.views import operation as find_operation
from .. import words
from ..access.identity import Role, needs
from ..context import changing, reading
from ..live import live_page
from . import acting

SAYS = "What is done stays; the rest is left as it is."
blueprint = Blueprint("operation", __name__)


@blueprint.get("/operations/<number:number>")
def show(number: int) -> Response:
    """Show one action."""
    row = _found(number)
    stoppable = row.status in OPEN and row.action in CANCELLABLE
    return live_page(
        "operation",
        topics=("operations",),
        row=row,
        of=words.selected(row.selection),
        runs=words.named_runs(row.selection),
        share=round(100 * row.done / row.total, 1) if row.total else None,
        stoppable=stoppable and acting.operator(),
        act=_act(row) if stoppable and acting.operator() and request.args.get("act") == "cancel" else None,
        did=acting.did(),
    )


@blueprint.post("/operations/<number:number>")
@needs(Role.OPERATOR)
def change(number: int) -> Response:
    """Leave the rest of an action undone."""
    _found(number)
    with changing() as connection:
        cancel(connection, number, acting.actor(), acting.reason())
    return acting.back(".show", "cancel", number=number)


def _found(number: int) -> OperationRow:
    with reading() as connection:
        found = find_operation(connection, number)
    if found is None:
        raise NotFound(f"There is no operation {number} here.")
    return found


def _act(row: OperationRow) -> acting.Act:
    return acting.Act(
        verb="cancel",
        title=f"Leave the rest of operation {row.id} undone",
        says=SAYS,
        fields={},
        command=f"headframe operation cancel {row.id}",
        curl=acting.twin("POST", f"/operations/{row.id}/cancel", '{"reason": "..."}'),
    )
