"""Files: the list, one, why it is where it is, what changed of it, how often it was tried."""

from typing import Any, get_args

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.lifecycle import Phase
from ...statemachine.store.errors import NotFoundError
from ...statemachine.views import (
    AttemptFilter,
    AttemptRow,
    FileDetail,
    FileFilter,
    FileRow,
    HistoryFilter,
    HistoryRow,
    attempts,
    changes,
)
from ...statemachine.views import file as find_file
from ...statemachine.views import files as list_files
from ...statemachine.views.files import Order
from ...statemachine.why import Why, why_found_file
from ..context import reading
from . import asked
from .answer import Rows, one, one_there, rows
from .document import PREFIX, gives

PHASES = tuple(phase.value for phase in Phase)
blueprint = APIBlueprint("api_files", __name__, url_prefix=f"{PREFIX}/files", tag="files")


class FilesAsked(asked.Part):
    """Which files."""

    run = asked.number("of this run")
    state = asked.word("in this state")
    phase = asked.choice("in this phase", PHASES)
    kind = asked.word("of this run type")
    campaign = asked.word("within this campaign")
    name = asked.word("of this name, the whole of it")
    step = asked.word("at this step")
    reason_code = asked.word("with this reason code")
    host = asked.word("last changed from this host; of a run, or under way")
    site = asked.word("of which something can be read at this site; of a run, or under way")
    since = asked.moment("last changed at this time or later; of a run, or under way")
    until = asked.moment("last changed before this time; of a run, or under way")
    order = asked.choice("the order of a run's files; else as it says above", get_args(Order))
    order.data_key = "sort"


class Named(asked.One):
    """Which file."""

    file = asked.word("its name, run/sequence, or number")
    file.required = True
    run = asked.number("of this run, where several have a file of that name")


class Within(asked.One):
    """In which campaign."""

    campaign = asked.word("in this campaign instead of its run's own")


@blueprint.get("")
@blueprint.input(FilesAsked, location="query")
@gives(Rows[FileRow])
def index(query_data: dict[str, Any]) -> Response:
    """List files with what became of each within a campaign.

    By sequence within a run (by name, where a file of it has none), in queue order for what is ready, newest first
    otherwise.
    """
    with reading() as connection:
        which = FileFilter(**asked.filters(query_data, "order"))
        listed = list_files(connection, which, asked.page(query_data), order=query_data.get("order"))
    return rows(listed, query_data["wanted"])


@blueprint.get("/find")
@blueprint.input(Named, location="query")
@gives(FileDetail, refuses=(404,))
def find(query_data: dict[str, Any]) -> Response:
    """Give one file as people name it; 400 names the files where several go by that name."""
    wanted = query_data["file"]
    with reading() as connection:
        found = find_file(connection, wanted, query_data.get("run"))
    return one_there(found, f"There is no file {wanted} here.", query_data["wanted"])


@blueprint.get("/<number:number>")
@blueprint.input(asked.One, location="query")
@gives(FileDetail)
def show(number: int, query_data: dict[str, Any]) -> Response:
    """Give one file by its number, with its copies, products, history, attempts."""
    with reading() as connection:
        found = find_file(connection, number)
    return one(_there(found, number), query_data["wanted"])


@blueprint.get("/<number:number>/why")
@blueprint.input(Within, location="query")
@gives(Why)
def why(number: int, query_data: dict[str, Any]) -> Response:
    """Say why a file is where it is, and what unblocks it."""
    with reading() as connection:
        file = _there(find_file(connection, number), number)
        found = why_found_file(connection, file, query_data.get("campaign"))
    return one(found, query_data["wanted"])


@blueprint.get("/<number:number>/history")
@blueprint.input(asked.Part, location="query")
@gives(Rows[HistoryRow])
def history(number: int, query_data: dict[str, Any]) -> Response:
    """List what changed of a file, the latest first, campaign by campaign."""
    with reading() as connection:
        _there(find_file(connection, number), number)
        listed = changes(connection, HistoryFilter(file=number), asked.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/<number:number>/attempts")
@blueprint.input(asked.Part, location="query")
@gives(Rows[AttemptRow])
def tries(number: int, query_data: dict[str, Any]) -> Response:
    """List the attempts at a file, the latest first, campaign by campaign."""
    with reading() as connection:
        _there(find_file(connection, number), number)
        listed = attempts(connection, AttemptFilter(file=number), asked.page(query_data))
    return rows(listed, query_data["wanted"])


def _there(found: Any, number: int) -> Any:
    if found is None:
        raise NotFoundError(f"There is no file with the number {number} here.")
    return found
