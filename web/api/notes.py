"""What people say of a run: notes, and how good its data are."""

from typing import Any

from apiflask import APIBlueprint, Schema
from flask import Response
from marshmallow import RAISE, fields, validate
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ...statemachine.store import notes as desk
from ...statemachine.store import runs
from ...statemachine.views import NoteRow, Operation, note_of, notes
from ...statemachine.views import run as find_run
from ..access.identity import Role, needs, who
from ..context import reading
from . import asked
from .answer import Rows, as_json, rows
from .document import PREFIX, gives
from .once import once
from .operations import Dry, reason

blueprint = APIBlueprint("api_notes", __name__, url_prefix=f"{PREFIX}/runs/<number:number>", tag="runs")


class NoteAsked(Schema):
    """A note: plain text."""

    text = fields.String(
        required=True,
        validate=[asked.Storable(desk.LONGEST), asked.Said()],
        metadata={"description": "plain text", "pattern": r"\S", "maxLength": desk.LONGEST},
    )
    file = asked.word("about this file of the run: its name, path, sequence or number")
    kind = fields.String(
        load_default="note",
        validate=validate.Regexp(r"^[a-z][a-z0-9-]{0,30}$"),
        metadata={"description": "a word of your own that tells such notes from others"},
    )


class QualityAsked(Schema):
    """How good the data of a run are."""

    quality = fields.String(required=True, validate=validate.OneOf(runs.QUALITIES))
    reason = reason()


@blueprint.get("/notes")
@blueprint.input(asked.Part, location="query")
@gives(Rows[NoteRow])
def index(number: int, query_data: dict[str, Any]) -> Response:
    """List what people wrote about a run and its files, newest first."""
    with reading() as connection:
        listed = notes(connection, number, asked.page(query_data))
        if not listed.rows and find_run(connection, number) is None:
            raise NotFound(f"There is no run {number} here.")
    return rows(listed, query_data["wanted"])


@blueprint.post("/note")
@blueprint.input(Dry, location="query")
@blueprint.input(NoteAsked, unknown=RAISE)
@gives(NoteRow, refuses=(404, 409))
@needs(Role.OPERATOR)
def write(number: int, query_data: dict[str, Any], json_data: dict[str, Any]) -> Response:
    """Write a note about a run. Notes are never changed: correct one by another."""

    def change(connection: Connection) -> NoteRow | None:
        made = desk.write(connection, number, author=who().name, **json_data)
        return note_of(connection, made)

    return as_json(once(json_data, change, dry_run=query_data["dry_run"]))


@blueprint.post("/quality")
@blueprint.input(Dry, location="query")
@blueprint.input(QualityAsked, unknown=RAISE)
@gives(Operation, refuses=(404, 409))
@needs(Role.OPERATOR)
def judge(number: int, query_data: dict[str, Any], json_data: dict[str, Any]) -> Response:
    """Say how good the data of a run are, and why."""

    def change(connection: Connection) -> Operation | None:
        runs.judge(connection, number, json_data["quality"], who().name, json_data["reason"].strip())
        found = find_run(connection, number)
        return None if found is None else found.judged

    return as_json(once(json_data, change, dry_run=query_data["dry_run"]))
