"""What operators say of a run: close, expect, waive, reopen, reclassify; the same words as `headframe run`."""

from collections.abc import Callable
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from msgspec import Meta
from sqlalchemy import Connection

from ...statemachine.store import words
from ...statemachine.store.errors import RefusedError
from ...statemachine.store.runs import locked
from ..access.identity import Role, needs, who
from ..context import here
from .asked import Changing
from .body import Name, Reasoned, Sequence, takes
from .document import PREFIX, gives
from .done import Done, answered

blueprint = APIBlueprint("api_words", __name__, url_prefix=f"{PREFIX}/runs/<number:number>", tag="runs")


class Close(Reasoned):
    """Say that the detector has ended a run; `expected` is the number of its files, else what was announced or came."""

    expected: Sequence | None = None


class Expect(Reasoned):
    """Correct how many files a run has."""

    count: Sequence


class Waive(Reasoned):
    """Declare files missing: by sequence number, by a range such as `18-20`, or by name."""

    files: Annotated[tuple[Sequence | Name, ...], Meta(min_length=1, max_length=10_000)]


class Reclassify(Reasoned):
    """Give a run another type."""

    kind: Name


@blueprint.post("/close")
@blueprint.input(Changing, location="query")
@gives(Done)
@takes(Close, {"reason": "the run control crashed", "expected": 1200})
@needs(Role.OPERATOR)
def close(number: int, query_data: dict[str, Any], asked: Close) -> Response:
    """Say that the detector has ended a run."""
    return _said(
        number,
        asked,
        query_data,
        lambda connection, actor: words.close(connection, number, actor, asked.reason, asked.expected),
    )


@blueprint.post("/expect")
@blueprint.input(Changing, location="query")
@gives(Done)
@takes(Expect, {"reason": "the manifest was wrong", "count": 1187})
@needs(Role.OPERATOR)
def expect(number: int, query_data: dict[str, Any], asked: Expect) -> Response:
    """Correct how many files a run has."""
    return _said(
        number,
        asked,
        query_data,
        lambda connection, actor: words.expect(connection, number, asked.count, actor, asked.reason),
    )


@blueprint.post("/waive")
@blueprint.input(Changing, location="query")
@gives(Done)
@takes(Waive, {"reason": "disk 3 died", "files": [17, "18-20"]})
@needs(Role.OPERATOR)
def waive(number: int, query_data: dict[str, Any], asked: Waive) -> Response:
    """Declare files missing: the run is complete without them."""
    return _said(
        number,
        asked,
        query_data,
        lambda connection, actor: words.waive(connection, number, asked.files, actor, asked.reason),
    )


@blueprint.post("/reopen")
@blueprint.input(Changing, location="query")
@gives(Done)
@takes(Reasoned, {"reason": "ten files were found on the spare disk"})
@needs(Role.OPERATOR)
def reopen(number: int, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """Take a run's closing back: more files may come, and what was made of the whole run no longer stands."""
    return _said(
        number, asked, query_data, lambda connection, actor: words.reopen(connection, number, actor, asked.reason)
    )


@blueprint.post("/reclassify")
@blueprint.input(Changing, location="query")
@gives(Done)
@takes(Reclassify, {"reason": "the source was in", "kind": "calibration"})
@needs(Role.OPERATOR)
def reclassify(number: int, query_data: dict[str, Any], asked: Reclassify) -> Response:
    """Give a run another type; all its files start again on that type's way."""
    book = here().settings.book
    if book is None:
        raise RefusedError("this web process does not know which pipelines run types follow")
    return _said(
        number,
        asked,
        query_data,
        lambda connection, actor: words.reclassify(
            connection, number, asked.kind, book.pipelines.get, actor, asked.reason, book.period
        ),
    )


def _said(
    number: int, asked: Reasoned, query: dict[str, Any], say: Callable[[Connection, str], words.Said]
) -> Response:
    actor = who().name

    def change(connection: Connection) -> Done:
        locked(connection, number)
        said = say(connection, actor)
        return Done(done=said.sentence, changed=said.changed, link=f"/runs/{number}", dry_run=query["dry_run"])

    return answered(asked, change, dry_run=query["dry_run"])
