"""What a detector's or a run database's program sends instead of dropping files: arrivals, and what is known of runs.

The same again changes nothing. The web process looks at no file: whether one is there is for the first step to find.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from apiflask import APIBlueprint
from flask import Response
from msgspec import Meta
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest

from ...statemachine.records import ArrivedFile, ExpectedFile, Record, RunInfo
from ...statemachine.store import sent
from ...statemachine.store.campaigns import Book
from ...statemachine.store.core import Touched
from ...statemachine.store.errors import RefusedError
from ...statemachine.store.sent import Became
from ...statemachine.views import View
from ..access.identity import Role, needs
from ..context import changing, here
from .answer import Rows
from .asked import Changing
from .body import Name, Natural, Sequence, takes
from .document import PREFIX, gives
from .done import answered

MOST_FILES = 1000
LARGEST_BODY = 8 << 20
PATH = r"^[^/\x00][^\x00]*$"
blueprint = APIBlueprint("api_arrivals", __name__, url_prefix=PREFIX, tag="arrivals")

Moment = Annotated[datetime, Meta(tz=True)]
Nanoseconds = Annotated[int, Meta(ge=-(2**63 - 1), le=2**63 - 1)]
Sum = Annotated[str, Meta(pattern="^(0x)?[0-9a-fA-F]{1,8}$")]


class Arrival(Record, forbid_unknown_fields=True):
    """A raw file that is complete. `path` is below the root of its site; `name` is its last part if not said."""

    site: Name
    path: Annotated[str, Meta(min_length=1, max_length=2000, pattern=PATH)]
    run: Natural
    sequence: Sequence
    size: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    mtime_ns: Nanoseconds
    name: Name | None = None
    kind: Name | None = None
    closed_ns: Nanoseconds | None = None
    inbox: Annotated[str, Meta(max_length=500)] = "api"


class Announced(Record, forbid_unknown_fields=True):
    """A file that a run is to have."""

    name: Name
    sequence: Sequence | None = None
    size: Natural | None = None
    adler32: Sum | None = None


class RunSaid(Record, forbid_unknown_fields=True):
    """What is known of a run. `closed`: the detector has ended it. `identity` tells two runs of one number apart."""

    run: Natural
    source: Name = "api"
    kind: Name | None = None
    started: Moment | None = None
    ended: Moment | None = None
    expected: Sequence | None = None
    first_sequence: Sequence | None = None
    files: Annotated[tuple[Announced, ...], Meta(max_length=50_000)] = ()
    closed: bool = False
    identity: Name | None = None
    metadata: dict[str, Any] = {}


class Complaint(View):
    """Why something that was said of a run was not taken; it stands among the dead letters."""

    code: str
    sentence: str
    subject: str


class RunTaken(View):
    """What became of what was said of a run: all of it was taken but what `troubles` say."""

    run: int
    link: str
    troubles: tuple[Complaint, ...]


FILE = {
    "site": "SURF",
    "path": "inbox/run001201/run001201_00042.h5",
    "run": 1201,
    "sequence": 42,
    "size": 250000042,
    "mtime_ns": 1763593950000000000,
    "kind": "science",
}
RUN = {"run": 1201, "kind": "science", "started": "2026-11-20T00:12:30Z", "expected": 1200, "closed": False}


@blueprint.post("/arrivals")
@blueprint.input(Changing, location="query")
@gives(Rows[Became])
@takes(Arrival | Annotated[list[Arrival], Meta(max_length=MOST_FILES)], [FILE], LARGEST_BODY)
@needs(Role.OPERATOR)
def arrive(query_data: dict[str, Any], asked: Arrival | list[Arrival]) -> Response:
    """Register one file or up to 1,000; say what each became: registered, known already, or refused and why.

    The same file sent again, at the same size and time, changes nothing.
    """
    files = [_file(each) for each in (asked if isinstance(asked, list) else [asked])]

    def change(connection: Connection) -> tuple[dict[str, Any], Touched]:
        became, touched = sent.send(connection, files, _book())
        return {"rows": became, "next": ""}, touched

    return _followed(asked, change, dry_run=query_data["dry_run"])


@blueprint.post("/runs")
@blueprint.input(Changing, location="query")
@gives(RunTaken)
@takes(RunSaid, RUN, LARGEST_BODY)
@needs(Role.OPERATOR)
def say_of_run(query_data: dict[str, Any], asked: RunSaid) -> Response:
    """Say what is known of a run: type, times, how many files and which. What operators said since stands."""
    said = _run(asked)

    def change(connection: Connection) -> tuple[RunTaken, Touched]:
        troubles, touched = sent.announce(connection, said, _book())
        complaints = tuple(Complaint(code=t.code, sentence=t.sentence, subject=t.subject) for t in troubles)
        return RunTaken(run=said.run, link=f"/runs/{said.run}", troubles=complaints), touched

    return _followed(asked, change, dry_run=query_data["dry_run"])


def _followed(asked: Any, change: Callable[[Connection], tuple[Any, Touched]], *, dry_run: bool) -> Response:
    """Make a change, then let the runs that it touched move with their files."""
    touched: Touched = set()

    def noted(connection: Connection) -> Any:
        answer, runs = change(connection)
        touched.update(runs)
        return answer

    response = answered(asked, noted, dry_run=dry_run)
    if touched and not dry_run:
        with changing() as connection:
            sent.follow(connection, touched)
    return response


def _book() -> Book:
    book = here().settings.book
    if book is None:
        raise RefusedError("this web process does not know which pipelines run types follow, so it takes no arrivals")
    return book


def _file(said: Arrival) -> ArrivedFile:
    """Make the record that watchers send. Raises `BadRequest` for names that no index takes."""
    fields = msgspec.structs.asdict(said)
    file = ArrivedFile(**{**fields, "name": said.name or said.path.rpartition("/")[2]})
    if len((file.site + file.path).encode()) > sent.LONGEST or len(file.name.encode()) > sent.LONGEST:
        raise BadRequest(f"{file.path[:100]}: with its site's name, more than {sent.LONGEST:,} bytes")
    return file


def _run(said: RunSaid) -> RunInfo:
    for moment in (said.started, said.ended):
        if moment is not None and not 1970 <= moment.year <= 2262:
            raise BadRequest(f"{moment.isoformat()} is no time at which a run can be; give a year from 1970 to 2262")
    files = tuple(ExpectedFile(**msgspec.structs.asdict(file)) for file in said.files)
    return RunInfo(**{**msgspec.structs.asdict(said), "files": files})
