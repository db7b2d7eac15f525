"""What operators let rest: steps, lanes, sites, workers, nodes; and workers that are to leave."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response
from marshmallow import fields, validate
from sqlalchemy import Connection

from ...statemachine.store import pauses
from ..access.identity import Role, needs, who
from . import asked as asks
from .body import Name, Reasoned, takes
from .document import PREFIX, gives
from .done import Done, answered

PAGES = {"step": "/queues", "lane": "/queues", "site": "/sites", "worker": "/workers", "node": "/workers"}
"""Where each kind of pause is shown."""
blueprint = APIBlueprint("api_pausing", __name__, url_prefix=PREFIX, tag="service")


class Pause(Reasoned):
    """Let a step, a lane, a site, a worker or a node rest until it is resumed."""

    what: pauses.What
    name: Name


class Resuming(asks.Changing):
    """Why something is to go on."""

    reason = fields.String(
        required=True,
        validate=[validate.Length(max=2000), validate.Regexp(r"(?s).*\S", error="it must say something")],
        metadata={"description": "why; it stays in the history", "minLength": 1},
    )


@blueprint.post("/pauses")
@blueprint.input(asks.Changing, location="query")
@gives(Done, refuses=(404,))
@takes(Pause, {"what": "site", "name": "UKDC", "reason": "the cable is cut"})
@needs(Role.OPERATOR)
def pause(query_data: dict[str, Any], asked: Pause) -> Response:
    """Let something rest; what executes runs on to its end, and what waits keeps its order."""

    def change(connection: Connection) -> Done:
        new = pauses.pause(connection, asked.what, asked.name, who().name, asked.reason)
        return _done(
            f"{asked.what} {asked.name} {'paused' if new else 'was paused already'}", int(new), asked.what, query_data
        )

    return answered(asked, change, dry_run=query_data["dry_run"])


@blueprint.delete("/pauses/<what>/<name>")
@blueprint.input(Resuming, location="query")
@gives(Done)
@needs(Role.OPERATOR)
def resume(what: str, name: str, query_data: dict[str, Any]) -> Response:
    """Let what was paused go on."""

    def change(connection: Connection) -> Done:
        pauses.resume(connection, what, name, who().name, query_data["reason"])  # type: ignore[arg-type]
        return _done(f"{what} {name} resumed", 1, what, query_data)

    return answered(query_data, change, dry_run=query_data["dry_run"])


@blueprint.post("/workers/<name>/drain")
@blueprint.input(asks.Changing, location="query")
@gives(Done)
@takes(Reasoned, {"reason": "its node is to be rebooted"})
@needs(Role.OPERATOR)
def drain(name: str, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """Let workers, by name or owner, finish what they do, hand back what they have not begun, and leave."""

    def change(connection: Connection) -> Done:
        owners = pauses.drain(connection, name, who().name, asked.reason)
        return _done(f"told to leave: {', '.join(owners)}", len(owners), "worker", query_data)

    return answered(asked, change, dry_run=query_data["dry_run"])


def _done(sentence: str, changed: int, what: str, query: dict[str, Any]) -> Done:
    return Done(done=sentence, changed=changed, link=PAGES.get(what, "/workers"), dry_run=query["dry_run"])
