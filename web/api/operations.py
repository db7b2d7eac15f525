"""What operators do to files and runs: one by one, or many at once by a filter, and how far that is."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from apiflask import APIBlueprint
from flask import Response, url_for
from msgspec import Meta
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound

from ...statemachine.lifecycle import Phase, Trigger
from ...statemachine.records import Record
from ...statemachine.store.operating import Acted, Order, Selection, act, cancel, follow, look
from ...statemachine.store.operating.order import ACTIONS, NAMES, checked
from ...statemachine.views import OperationFilter, OperationRow
from ...statemachine.views import operation as find_operation
from ...statemachine.views import operations as list_operations
from ..access.identity import Role, needs, who
from ..context import changing, reading
from . import asked
from .answer import Rows, as_json, one, rows
from .body import Name, Natural, Reasoned, takes
from .document import PREFIX, gives, or_later
from .done import answered
from .once import key

MOST_FILES, MOST_NAMED = 1000, 10_000
"""Names of files are looked up one by one; numbers all at once."""
STATUSES = ("waiting", "running", "done", "failed", "cancelled", "stopped")
blueprint = APIBlueprint("api_operations", __name__, url_prefix=f"{PREFIX}/operations", tag="operations")


class OperationsAsked(asked.Part):
    """Which operations."""

    actor = asked.word("by this person")
    action = asked.word("requeue, hold, cancel, release, abandon, recover, reset, or another")
    status = asked.choice("in this status", STATUSES)
    since = asked.moment("begun then or later")
    order = asked.sort("the newest first, or the oldest", ("-at", "at"))


Names = Annotated[tuple[Name, ...], Meta(max_length=MOST_FILES)]
Numbers = Annotated[tuple[Natural, ...], Meta(max_length=MOST_NAMED)]


class Selected(Record, forbid_unknown_fields=True):
    """Which items: every condition that is set must hold, and at least one must be set.

    `files` are names, paths, `run/sequence` or numbers; `items` are numbers as lists of files show them.
    """

    runs: Numbers = ()
    files: Names = ()
    items: Numbers = ()
    campaign: Name | None = None
    state: Name | None = None
    phase: Phase | None = None
    kind: Name | None = None
    step: Name | None = None
    reason_code: Name | None = None
    scope: Literal["file", "run"] | None = None


class Ordered(Reasoned):
    """An action on what is selected.

    `to_state` is where a reset goes back to; with `new_content` it takes a rewritten raw file's present content.
    `lane` is where the items go on. With `selected`, what a dry run answered, it is done only if that has not changed.
    """

    action: Literal["requeue", "hold", "cancel", "release", "abandon", "recover", "reset"]
    selection: Selected
    to_state: Name | None = None
    lane: Literal["live", "bulk"] | None = None
    new_content: bool = False
    selected: Annotated[str, Meta(pattern=r"^[0-9]{1,18}-[0-9a-f]{32}$")] | None = None


@blueprint.get("")
@blueprint.input(OperationsAsked, location="query")
@gives(Rows[OperationRow])
def index(query_data: dict[str, Any]) -> Response:
    """List what operators did, newest first unless `sort` says otherwise."""
    wanted = {name: query_data.get(name) for name in OperationFilter.__struct_fields__}
    with reading() as connection:
        falling = query_data["order"].startswith("-")
        listed = list_operations(connection, OperationFilter(**wanted), asked.page(query_data), falling=falling)
    return rows(listed, query_data["wanted"])


@blueprint.get("/<number:number>")
@blueprint.input(asked.One, location="query")
@gives(OperationRow)
def show(number: int, query_data: dict[str, Any]) -> Response:
    """Give one operation and how far it is."""
    return one(_found(number), query_data["wanted"])


@blueprint.post("")
@blueprint.input(asked.Changing, location="query")
@or_later
@gives(OperationRow, refuses=(404, 409))
@takes(Ordered, {"action": "requeue", "selection": {"runs": [1201], "phase": "failed"}, "reason": "the disk is back"})
@needs(Role.OPERATOR)
def order(query_data: dict[str, Any], asked: Ordered) -> Response:
    """Act on what is selected: up to 1,000 items at once, more of them by a daemon (202).

    A dry run gives the exact number and `selected`, which stands for exactly these items as they are. Sent along, it
    has the action refused (409, `selection-changed`) if they are not the same any more. Who names files or items of
    which nothing can be acted on gets a 409 with `present`: where they are, and who brought them there.
    """
    wanted = _order(asked)
    if query_data["dry_run"]:
        return as_json(_dry(wanted))
    with changing() as connection:
        acted = act(connection, wanted)
    with changing() as connection:
        follow(connection, acted)
    return _answer(acted)


@blueprint.post("/<number:number>/cancel")
@blueprint.input(asked.Changing, location="query")
@gives(OperationRow, refuses=(404, 409))
@takes(Reasoned, {"reason": "that was the wrong run"})
@needs(Role.OPERATOR)
def stop(number: int, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """Leave the rest of an operation undone; what is done stays."""
    _found(number)

    def change(connection: Connection) -> OperationRow | None:
        cancel(connection, number, who().name, asked.reason)
        return find_operation(connection, number)

    return answered(asked, change, dry_run=query_data["dry_run"])


def _order(said: Ordered) -> Order:
    trigger = ACTIONS[said.action]
    if (trigger is Trigger.RESET) != (said.to_state is not None):
        raise BadRequest("to_state: a reset needs it, and nothing else takes it")
    if said.new_content and trigger is not Trigger.RESET:
        raise BadRequest("new_content: only a reset takes it")
    return Order(
        trigger=trigger,
        selection=Selection(**msgspec.structs.asdict(said.selection)),
        actor=who().name,
        reason=said.reason.strip(),
        state=said.to_state,
        lane=said.lane,
        new_content=said.new_content,
        selected=said.selected,
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
        action=NAMES[wanted.trigger],
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
