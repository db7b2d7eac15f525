"""What is measured: latency, forecasts, families of failures, and a file beside a sibling that worked."""

from datetime import datetime
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from marshmallow import validate

from ...statemachine.views import (
    Comparison,
    FamilyFilter,
    FamilyRow,
    Forecast,
    Latency,
    LatencyFilter,
    compare,
    families,
    forecast_campaign,
    forecast_run,
    latency,
)
from ..context import here, reading
from . import asked
from .answer import Rows, one, one_there, rows
from .document import PREFIX, gives

MOST_HOURS = 24 * 90
NOT_FOUND = (400, 401, 403, 404, 503)
blueprint = APIBlueprint("api_measures", __name__, url_prefix=PREFIX, tag="measures")


def hours(said: str) -> asked.Whole:
    """Give a filter that says how far back to look."""
    return asked.Whole(load_default=24, validate=validate.Range(1, MOST_HOURS), metadata={"description": said})


class LatencyAsked(asked.One):
    """Whose latency."""

    campaign = asked.word("of this campaign; without it, of all that are realtime")
    kind = asked.word("of this run type")
    hours = hours("how many hours the table goes back")


class FamiliesAsked(asked.Part):
    """Which failures."""

    hours = hours("of the last hours")
    run = asked.number("of this run")
    campaign = asked.word("of this campaign")
    step = asked.word("at this step")
    reason_code = asked.word("with this reason code")
    family = asked.word("only this family")


class Within(asked.One):
    """In which campaign."""

    campaign = asked.word("in this campaign instead of its run's own")


@blueprint.get("/latency")
@blueprint.input(LatencyAsked, location="query")
@gives(Latency)
def show_latency(query_data: dict[str, Any]) -> Response:
    """Say how long files take from closing to catalog: today, in the last hour, by campaign, type and step."""
    with reading() as connection:
        found = latency(connection, midnight(), LatencyFilter(**asked.filters(query_data)))
    return one(found, query_data["wanted"])


@blueprint.get("/failures")
@blueprint.input(FamiliesAsked, location="query")
@gives(Rows[FamilyRow])
def list_failures(query_data: dict[str, Any]) -> Response:
    """List failures that say the same, with their onset, their number and what they have in common."""
    with reading() as connection:
        listed = families(connection, FamilyFilter(**asked.filters(query_data)), asked.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/runs/<number:number>/forecast")
@blueprint.input(asked.One, location="query")
@gives(Forecast, refuses=NOT_FOUND)
def of_run(number: int, query_data: dict[str, Any]) -> Response:
    """Say when a run will be done, which step holds it up, and why."""
    with reading() as connection:
        found = forecast_run(connection, number)
    return one_there(found, f"There is no run {number} here.", query_data["wanted"])


@blueprint.get("/campaigns/<name>/forecast")
@blueprint.input(asked.One, location="query")
@gives(Forecast, refuses=NOT_FOUND)
def of_campaign(name: str, query_data: dict[str, Any]) -> Response:
    """Say when a campaign will be done, which step holds it up, and why."""
    with reading() as connection:
        found = forecast_campaign(connection, name) if "\0" not in name else None
    return one_there(found, f"There is no campaign {name} here.", query_data["wanted"])


@blueprint.get("/files/<number:number>/compare")
@blueprint.input(Within, location="query")
@gives(Comparison, refuses=NOT_FOUND)
def beside(number: int, query_data: dict[str, Any]) -> Response:
    """Put a file's last failed attempt beside that of a sibling that worked."""
    with reading() as connection:
        found = compare(connection, number, query_data.get("campaign") or None)
    return one_there(found, f"Nothing was tried of a file with the number {number} here.", query_data["wanted"])


def midnight() -> datetime:
    """Give when today began, in the site's zone."""
    return datetime.now(here().zone).replace(hour=0, minute=0, second=0, microsecond=0)
