"""Many runs looked up by number: more than an address can hold."""

from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from msgspec import Meta

from ...statemachine.records import Record
from ...statemachine.roles import Role
from ...statemachine.views import RunFilter, RunRow, View, unknown_runs
from ...statemachine.views import runs as list_runs
from .. import asked as page_asked
from ..access.identity import needs, only_reads
from ..context import reading
from . import asked as asks
from .answer import as_json, picked
from .body import Natural, takes
from .document import PREFIX, gives

LONGEST = 300_000
blueprint = APIBlueprint("api_lookup", __name__, url_prefix=f"{PREFIX}/runs", tag="runs")


class Wanted(Record, forbid_unknown_fields=True):
    """Run numbers, as a list or as people write them: `1201 1203-1210`; up to 10,000."""

    numbers: (
        Annotated[tuple[Natural, ...], Meta(min_length=1, max_length=page_asked.MOST_NUMBERS)]
        | Annotated[str, Meta(min_length=1, max_length=LONGEST, pattern=r"^[0-9\s,;-]*[0-9][0-9\s,;-]*$")]
    )


class Found(View):
    """A page of the runs that there are, newest first, and on the first page the numbers that no run has."""

    rows: tuple[RunRow, ...]
    next: str
    unknown: tuple[int, ...]


@blueprint.post("/lookup")
@blueprint.input(asks.Part, location="query")
@gives(Found)
@takes(Wanted, {"numbers": "1201 1203-1210"})
@only_reads
@needs(Role.VIEWER)
def look_up(query_data: dict[str, Any], asked: Wanted) -> Response:
    """Look up to 10,000 runs up by number; say which there are not. Nothing is changed."""
    numbers = page_asked.numbers_in(asked.numbers) if isinstance(asked.numbers, str) else asked.numbers
    page, fields = asks.page(query_data), query_data["wanted"]
    with reading() as connection:
        listed = list_runs(connection, RunFilter(numbers=numbers), page)
        unknown = () if page.after else unknown_runs(connection, numbers)
    rows = [picked(row, fields) for row in listed.rows] if fields else listed.rows
    return as_json({"rows": rows, "next": listed.next, "unknown": unknown})
