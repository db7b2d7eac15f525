"""What was used: time, CPU time, memory and time in the queue, of a run, a campaign, all steps, and pilots."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from marshmallow import validate

from ...statemachine.views import (
    Listed,
    PilotUsage,
    StepsUsage,
    usage_of_campaign,
    usage_of_pilots,
    usage_of_run,
    usage_of_steps,
)
from ..context import reading
from . import asked
from .answer import Rows, one, one_there, rows
from .document import PREFIX, gives

MOST_HOURS = 24 * 366 * 10
MONTH = 24 * 30
NOT_FOUND = (400, 401, 403, 404, 503)
blueprint = APIBlueprint("api_usage", __name__, url_prefix=PREFIX, tag="usage")


class UsageAsked(asked.One):
    """Since when."""

    hours = asked.Whole(
        validate=validate.Range(1, MOST_HOURS), metadata={"description": "of the last hours; without it, ever"}
    )


class PilotsAsked(asked.One):
    """Of which pilots."""

    hours = asked.Whole(
        load_default=MONTH,
        validate=validate.Range(1, MOST_HOURS),
        metadata={"description": "wanted in the last hours"},
    )


@blueprint.get("/usage")
@blueprint.input(UsageAsked, location="query")
@gives(StepsUsage)
def of_steps(query_data: dict[str, Any]) -> Response:
    """Say by step what all campaigns used: time, CPU time, memory, time in the queue, and what came to nothing."""
    hours = query_data.get("hours")
    with reading() as connection:
        found = usage_of_steps(connection, None if hours is None else _ago(hours))
    return one(found, query_data["wanted"])


@blueprint.get("/usage/pilots")
@blueprint.input(PilotsAsked, location="query")
@gives(Rows[PilotUsage])
def of_pilots(query_data: dict[str, Any]) -> Response:
    """Say by name how long pilots had nodes, how busy they were there, and how long they waited for them."""
    with reading() as connection:
        found = usage_of_pilots(connection, _ago(query_data["hours"]))
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.get("/runs/<number:number>/usage")
@blueprint.input(asked.One, location="query")
@gives(StepsUsage, refuses=NOT_FOUND)
def of_run(number: int, query_data: dict[str, Any]) -> Response:
    """Say by step what a run's attempts used, those included that operators took back."""
    with reading() as connection:
        found = usage_of_run(connection, number)
    return one_there(found, f"There is no run {number} here.", query_data["wanted"])


@blueprint.get("/campaigns/<name>/usage")
@blueprint.input(asked.One, location="query")
@gives(StepsUsage, refuses=NOT_FOUND)
def of_campaign(name: str, query_data: dict[str, Any]) -> Response:
    """Say by step what a campaign used since it began."""
    with reading() as connection:
        found = usage_of_campaign(connection, name) if "\0" not in name else None
    return one_there(found, f"There is no campaign {name} here.", query_data["wanted"])


def _ago(hours: int) -> datetime:
    """Give the full minute so many hours ago, so that the answer's tag holds for as long."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=hours)
