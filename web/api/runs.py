"""Runs: the list, one, why it is where it is, what it misses, what can be read of it."""

from typing import Any, get_args

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.store.errors import NotFoundError
from ...statemachine.views import CatalogEntry, Gaps, RunDetail, RunFilter, RunRow, catalog_page, gaps, unknown_runs
from ...statemachine.views import run as find_run
from ...statemachine.views import runs as list_runs
from ...statemachine.views.runfind import Order
from ...statemachine.why import Why, why_run
from ..context import reading
from ..search import FLAGS
from . import asked
from .answer import Rows, one, rows
from .document import PREFIX, gives

blueprint = APIBlueprint("api_runs", __name__, url_prefix=f"{PREFIX}/runs", tag="runs")


class RunsAsked(asked.Part):
    """Which runs."""

    numbers = asked.numbers("run numbers and ranges: 1201,1203-1210")
    numbers.data_key = "number"
    kind = asked.word("of this run type")
    campaign = asked.word("of this campaign")
    state = asked.word("in this state")
    phase = asked.word("in this phase")
    reason_code = asked.word("that have a file in trouble for this reason, or are so themselves")
    note = asked.word("of which, or of a file of which, somebody wrote this")
    quality = asked.word("of this quality")
    site = asked.word("of which something can be read at this site")
    since = asked.moment("started at this time or later")
    until = asked.moment("started before this time")
    incomplete = asked.flag("only runs of which not all files are here: missing, or still to come")
    missing = asked.either("closed, and files have not come")
    failed = asked.either("with files that failed")
    held = asked.either("with files that are held")
    abandoned = asked.either("with files that were abandoned")
    waived = asked.either("with files declared missing")
    open = asked.either("still written to")
    trouble = asked.either("with files that failed, are held or are missing")
    order = asked.choice("the order; -missing: those that miss most files first", get_args(Order), "-number")
    order.data_key = "sort"


class CatalogAsked(asked.Part):
    """Which entries of a run's catalog."""

    event = asked.number("what covers this event")
    kind = asked.word("of this type: raw, or a product's")
    site = asked.word("what lies at this site")


@blueprint.get("")
@blueprint.input(RunsAsked, location="query")
@gives(Rows[RunRow])
def index(query_data: dict[str, Any]) -> Response:
    """List runs, newest first unless `sort` says otherwise.

    `note` is there where `-missing` could not count all of them: too many are not done.
    """
    with reading() as connection:
        listed = list_runs(connection, _wanted(query_data), asked.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/<number:number>")
@blueprint.input(asked.One, location="query")
@gives(RunDetail)
def show(number: int, query_data: dict[str, Any]) -> Response:
    """Give one run: its counts, its gaps, what went wrong."""
    with reading() as connection:
        found = find_run(connection, number)
    return one(_there(found, number), query_data["wanted"])


@blueprint.get("/<number:number>/why")
@gives(Why)
def why(number: int) -> Response:
    """Say why a run is where it is, and what unblocks it."""
    with reading() as connection:
        found = why_run(connection, number)
    return one(_there(found, number))


@blueprint.get("/<number:number>/gaps")
@blueprint.input(asked.One, location="query")
@gives(Gaps)
def missing(number: int, query_data: dict[str, Any]) -> Response:
    """Name what a run misses: sequence numbers, and announced files."""
    with reading() as connection:
        _there(not unknown_runs(connection, (number,)), number)
        found = gaps(connection, number)
    return one(found, query_data["wanted"])


@blueprint.get("/<number:number>/catalog")
@blueprint.input(CatalogAsked, location="query")
@gives(Rows[CatalogEntry])
def catalog(number: int, query_data: dict[str, Any]) -> Response:
    """List what can be read of a run, and where: raw files, then products, by sequence."""
    which = asked.filters(query_data)
    with reading() as connection:
        _there(not unknown_runs(connection, (number,)), number)
        listed = catalog_page(connection, number, asked.page(query_data), **which)
    return rows(listed, query_data["wanted"])


def _wanted(query: dict[str, Any]) -> RunFilter:
    flags = tuple((name, query[name]) for name in FLAGS if name in query)
    return RunFilter(**asked.filters(query, *FLAGS), flags=flags)


def _there(found: Any, number: int) -> Any:
    if not found:
        raise NotFoundError(f"There is no run {number} here.")
    return found
