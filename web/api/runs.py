"""Runs: the list, one, and why it is where it is."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response
from marshmallow import RAISE
from werkzeug.exceptions import NotFound

from ...statemachine.views import Page, RunDetail, RunFilter, RunRow
from ...statemachine.views import run as find_run
from ...statemachine.views import runs as list_runs
from ...statemachine.why import Why, why_run
from .. import asked as page_asked
from ..context import reading
from . import asked
from .answer import Rows, one, rows
from .document import PREFIX, gives

blueprint = APIBlueprint("api_runs", __name__, url_prefix=f"{PREFIX}/runs", tag="runs")


class RunsAsked(asked.Part):
    """Which runs."""

    number = asked.word("run numbers and ranges: 1201,1203-1210")
    kind = asked.word("of this run type")
    state = asked.word("in this state")


@blueprint.get("")
@blueprint.input(RunsAsked, location="query", unknown=RAISE)
@gives(Rows[RunRow])
def index(query_data: dict[str, Any]) -> Response:
    """List runs, newest first."""
    where = RunFilter(numbers=page_asked.numbers("number"), kind=query_data.get("kind"), state=query_data.get("state"))
    with reading() as connection:
        listed = list_runs(connection, where, Page(limit=query_data["limit"], after=query_data["after"]))
    return rows(listed, query_data["wanted"])


@blueprint.get("/<int:number>")
@blueprint.input(asked.One, location="query", unknown=RAISE)
@gives(RunDetail, refuses=(400, 401, 403, 404, 503))
def show(number: int, query_data: dict[str, Any]) -> Response:
    """Give one run: its counts, its gaps, what went wrong."""
    with reading() as connection:
        found = find_run(connection, number) if number <= page_asked.LARGEST else None
    if found is None:
        raise NotFound(f"There is no run {number} here.")
    return one(found, query_data["wanted"])


@blueprint.get("/<int:number>/why")
@gives(Why, refuses=(400, 401, 403, 404, 503))
def why(number: int) -> Response:
    """Say why a run is where it is, and what unblocks it."""
    with reading() as connection:
        found = why_run(connection, number) if number <= page_asked.LARGEST else None
    if found is None:
        raise NotFound(f"There is no run {number} here.")
    return one(found)
