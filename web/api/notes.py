"""What people say of a run: notes, and how good its data are."""

from typing import Annotated, Any, Literal

from apiflask import APIBlueprint
from flask import Response
from msgspec import Meta
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ...statemachine.records import Record
from ...statemachine.store import notes as desk
from ...statemachine.store import runs
from ...statemachine.views import NoteRow, Operation, note_of, notes, unknown_runs
from ...statemachine.views import run as find_run
from ..access.identity import Role, needs, who
from ..context import reading
from . import asked
from .answer import Rows, rows
from .body import Name, Reasoned, takes
from .document import PREFIX, gives
from .done import answered

blueprint = APIBlueprint("api_notes", __name__, url_prefix=f"{PREFIX}/runs/<number:number>", tag="runs")


class Noted(Record, forbid_unknown_fields=True):
    """A note: plain text about a run, or about a file of it by its name, path, sequence or number.

    `kind` is a word of your own that tells such notes from others.
    """

    text: Annotated[str, Meta(min_length=1, max_length=desk.LONGEST, pattern=r"\S")]
    file: Name | None = None
    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = "note"


class Judgement(Reasoned):
    """How good the data of a run are."""

    quality: Literal["unknown", "good", "questionable", "bad"]


@blueprint.get("/notes")
@blueprint.input(asked.Part, location="query")
@gives(Rows[NoteRow])
def index(number: int, query_data: dict[str, Any]) -> Response:
    """List what people wrote about a run and its files, newest first."""
    with reading() as connection:
        listed = notes(connection, number, asked.page(query_data))
        if not listed.rows and unknown_runs(connection, (number,)):
            raise NotFound(f"There is no run {number} here.")
    return rows(listed, query_data["wanted"])


@blueprint.post("/note")
@blueprint.input(asked.Changing, location="query")
@gives(NoteRow, refuses=(404, 409))
@takes(Noted, {"text": "channel 17 is hot since 02:10"})
@needs(Role.OPERATOR)
def write(number: int, query_data: dict[str, Any], asked: Noted) -> Response:
    """Write a note about a run. Notes are never changed: correct one by another."""

    def change(connection: Connection) -> NoteRow | None:
        made = desk.write(connection, number, asked.text, who().name, kind=asked.kind, file=asked.file)
        return note_of(connection, made)

    return answered(asked, change, dry_run=query_data["dry_run"])


@blueprint.post("/quality")
@blueprint.input(asked.Changing, location="query")
@gives(Operation, refuses=(404, 409))
@takes(Judgement, {"quality": "questionable", "reason": "channel 17 is hot"})
@needs(Role.OPERATOR)
def judge(number: int, query_data: dict[str, Any], asked: Judgement) -> Response:
    """Say how good the data of a run are, and why."""

    def change(connection: Connection) -> Operation | None:
        runs.judge(connection, number, asked.quality, who().name, asked.reason.strip())
        found = find_run(connection, number)
        return None if found is None else found.judged

    return answered(asked, change, dry_run=query_data["dry_run"])
