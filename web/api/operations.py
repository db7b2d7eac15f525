"""What operators do to files and runs: one by one, or many at once by a filter, and how far that is."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from apiflask import APIBlueprint, Schema
from flask import Response, url_for
from marshmallow import RAISE, fields, validate
from werkzeug.exceptions import BadRequest, NotFound

from ...statemachine.lanes import LANES
from ...statemachine.lifecycle import Phase
from ...statemachine.store.operating import Acted, Order, Selection, act, cancel, follow, look
from ...statemachine.store.operating.order import ACTIONS, checked
from ...statemachine.views import OperationFilter, OperationRow
from ...statemachine.views import operation as find_operation
from ...statemachine.views import operations as list_operations
from ..access.identity import Role, needs, who
from ..context import changing, reading
from . import asked
from .answer import Rows, as_json, one, rows
from .document import PREFIX, gives
from .once import key, once

View = TypeVar("View", bound=Callable[..., Any])
MOST_NAMED = 10_000
LARGEST = 2**63 - 1
LONGEST_REASON = 2000
STATUSES = ("waiting", "running", "done", "failed", "cancelled", "stopped")
blueprint = APIBlueprint("api_operations", __name__, url_prefix=f"{PREFIX}/operations", tag="operations")


class OperationsAsked(asked.Part):
    """Which operations."""

    actor = asked.word("by this person")
    action = asked.word("requeue, hold, cancel, release, abandon, recover, reset, or another")
    status = asked.choice("in this status", STATUSES)
    since = asked.moment("begun then or later")


class Dry(Schema):
    """Whether it is done."""

    dry_run = asked.flag("say exactly what would be done, and do nothing")


class SelectionAsked(Schema):
    """Which items: every condition that is set must hold, and at least one must be set."""

    runs = fields.List(
        fields.Integer(strict=True, validate=validate.Range(0, LARGEST)), validate=validate.Length(max=MOST_NAMED)
    )
    files = fields.List(fields.String(validate=asked.Storable()), validate=validate.Length(max=MOST_NAMED))
    items = fields.List(
        fields.Integer(strict=True, validate=validate.Range(0, LARGEST)), validate=validate.Length(max=MOST_NAMED)
    )
    campaign = asked.word("of this campaign")
    state = asked.word("in this state")
    phase = fields.String(validate=validate.OneOf([str(phase) for phase in Phase]))
    kind = asked.word("of this run type")
    step = asked.word("at this step")
    reason_code = asked.word("with this reason code")
    scope = fields.String(validate=validate.OneOf(("file", "run")))


def reason(*, required: bool = True) -> fields.String:
    """Give the reason that each change wants."""
    return fields.String(
        required=required,
        validate=[asked.Storable(LONGEST_REASON), asked.Said()],
        metadata={"description": "why; it stays in the history", "pattern": r"\S", "maxLength": LONGEST_REASON},
    )


class Ordered(Schema):
    """An action on what is selected."""

    action = fields.String(required=True, validate=validate.OneOf(tuple(ACTIONS)))
    selection = fields.Nested(SelectionAsked, required=True)
    to_state = asked.word("where a reset goes back to")
    lane = fields.String(validate=validate.OneOf(LANES), metadata={"description": "go on in this lane"})
    new_content = fields.Boolean(
        load_default=False, metadata={"description": "a reset takes a rewritten raw file's present content"}
    )
    reason = reason()
    selected = fields.String(
        validate=validate.Regexp(r"^[0-9]+-[0-9a-f]{32}$"),
        metadata={"description": "what a dry run answered; it is done only if that has not changed since"},
    )


class Cancelled(Schema):
    """Why something is left undone."""

    reason = reason()


def _or_later(view: View) -> View:
    """Say in the document that the answer may also be that it is done later."""
    responses = view._spec["responses"]  # type: ignore[attr-defined]
    responses[202] = {**responses[200], "description": "accepted: a daemon does it; Location says how far it is"}
    return view


@blueprint.get("")
@blueprint.input(OperationsAsked, location="query")
@gives(Rows[OperationRow])
def index(query_data: dict[str, Any]) -> Response:
    """List what operators did, newest first."""
    wanted = {name: query_data.get(name) for name in OperationFilter.__struct_fields__}
    with reading() as connection:
        listed = list_operations(connection, OperationFilter(**wanted), asked.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/<number:number>")
@blueprint.input(asked.One, location="query")
@gives(OperationRow)
def show(number: int, query_data: dict[str, Any]) -> Response:
    """Give one operation and how far it is."""
    return one(_found(number), query_data["wanted"])


@blueprint.post("")
@blueprint.input(Dry, location="query")
@blueprint.input(Ordered, unknown=RAISE)
@_or_later
@gives(OperationRow, refuses=(404, 409))
@needs(Role.OPERATOR)
def order(query_data: dict[str, Any], json_data: dict[str, Any]) -> Response:
    """Act on what is selected: up to 1,000 items at once, more of them by a daemon (202).

    A dry run gives the exact number and `selected`, which stands for exactly these items as they are. Sent along, it
    has the action refused (409, `selection-changed`) if they are not the same any more. Who names files or items of
    which nothing can be acted on gets a 409 with `present`: where they are, and who brought them there.
    """
    wanted = _order(json_data)
    if query_data["dry_run"]:
        return as_json(_dry(wanted))
    with changing() as connection:
        acted = act(connection, wanted)
    with changing() as connection:
        follow(connection, acted)
    return _answer(acted)


@blueprint.post("/<number:number>/cancel")
@blueprint.input(Dry, location="query")
@blueprint.input(Cancelled, unknown=RAISE)
@gives(OperationRow, refuses=(404, 409))
@needs(Role.OPERATOR)
def stop(number: int, query_data: dict[str, Any], json_data: dict[str, Any]) -> Response:
    """Leave the rest of an operation undone; what is done stays."""
    _found(number)

    def change(connection: Any) -> OperationRow | None:
        cancel(connection, number, who().name, json_data["reason"])
        return find_operation(connection, number)

    return as_json(once(json_data, change, dry_run=query_data["dry_run"]))


def _order(body: dict[str, Any]) -> Order:
    trigger = ACTIONS[body["action"]]
    to_state = body.get("to_state")
    if (trigger is ACTIONS["reset"]) != (to_state is not None):
        raise BadRequest("to_state: a reset needs it, and nothing else takes it")
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in body["selection"].items()
    }
    return Order(
        trigger=trigger,
        selection=Selection(**chosen),
        actor=who().name,
        reason=body["reason"].strip(),
        state=to_state,
        lane=body.get("lane"),
        new_content=body["new_content"],
        selected=body.get("selected"),
        key=key(),
    )


def _dry(wanted: Order) -> OperationRow:
    with reading() as connection:
        wanted = checked(connection, wanted)
        seen = look(connection, wanted)
    return OperationRow(
        id=0,
        at=datetime.now(UTC),
        actor=wanted.actor,
        action=next(name for name, trigger in ACTIONS.items() if trigger is wanted.trigger),
        selection=msgspec.to_builtins(wanted.selection),
        reason=wanted.reason,
        done=0,
        changed=0,
        status="dry-run",
        **msgspec.structs.asdict(seen),
    )


def _answer(acted: Acted) -> Response:
    answer = as_json(_found(acted.operation), 202 if acted.waits else 200)
    answer.headers["Location"] = url_for("api_operations.show", number=acted.operation)
    return answer


def _found(number: int) -> OperationRow:
    with reading() as connection:
        found = find_operation(connection, number)
    if found is None:
        raise NotFound(f"There is no operation {number} here.")
    return found
