"""Pilots, the batch jobs that run workers: which there are, and what operators tell them."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response
from sqlalchemy import Connection

from ...statemachine.piloting import PilotStatus
from ...statemachine.store import pilots as store
from ...statemachine.views import PilotRow, pilot, pilots
from ..access.identity import Role, needs, who
from ..context import reading
from . import asked as asks
from .answer import Rows, one_there, rows
from .body import Reasoned, takes
from .document import PREFIX, gives
from .done import Done, answered

blueprint = APIBlueprint("api_pilots", __name__, url_prefix=PREFIX, tag="pilots")


class PilotsAsked(asks.Part):
    """Which pilots."""

    status = asks.choice("in this status", tuple(PilotStatus))
    launcher = asks.word("of the launcher of this name")
    name = asks.word("of this name, as the configuration has it")
    live = asks.either("those that are not over; or, if false, those that are")


@blueprint.get("/pilots")
@blueprint.input(PilotsAsked, location="query")
@gives(Rows[PilotRow])
def list_pilots(query_data: dict[str, Any]) -> Response:
    """List batch jobs that run workers, newest first."""
    with reading() as connection:
        listed = pilots(connection, asks.page(query_data), **asks.filters(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/pilots/<number:number>")
@blueprint.input(asks.One, location="query")
@gives(PilotRow)
def show_pilot(number: int, query_data: dict[str, Any]) -> Response:
    """Give one pilot: what was asked for, how far it is, and why it is over."""
    with reading() as connection:
        found = pilot(connection, number)
    return one_there(found, f"there is no pilot {number}", query_data["wanted"])


@blueprint.post("/pilots/<number:number>/drain")
@blueprint.input(asks.Changing, location="query")
@gives(Done, refuses=(409,))
@takes(Reasoned, {"reason": "its node is to be rebooted"})
@needs(Role.OPERATOR)
def drain_pilot(number: int, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """Let a pilot finish what it does and leave; one that has not begun is cancelled."""
    return _told(number, store.DRAIN, asked, dry_run=query_data["dry_run"])


@blueprint.post("/pilots/<number:number>/cancel")
@blueprint.input(asks.Changing, location="query")
@gives(Done, refuses=(409,))
@takes(Reasoned, {"reason": "the reservation is wanted for something else"})
@needs(Role.OPERATOR)
def cancel_pilot(number: int, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """End a pilot now: what its workers do is handed back, and done elsewhere."""
    return _told(number, store.CANCEL, asked, dry_run=query_data["dry_run"])


def _told(number: int, word: str, asked: Reasoned, *, dry_run: bool) -> Response:
    def change(connection: Connection) -> Done:
        told = store.tell(connection, number, word, who().name, asked.reason)
        return Done(done=told.sentence, changed=int(told.new), link=f"/pilots/{number}", dry_run=dry_run)

    return answered(asked, change, dry_run=dry_run)
