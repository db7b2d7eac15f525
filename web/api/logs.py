"""The whole log of an attempt, streamed as text: from any byte, or its last lines."""

import os
from typing import Any, BinaryIO

from apiflask import APIBlueprint, Schema
from flask import Response, request, send_file
from sqlalchemy import Connection

from ...statemachine.records import Location
from ...statemachine.store.errors import NotFoundError
from ...statemachine.views import AttemptRow, attempt_of, log_pattern, sites
from .. import logfile
from ..context import reading
from . import asked
from .answer import one
from .document import PREFIX, gives, gives_bytes

MOST_LINES = 100_000
PLAIN = "text/plain"
blueprint = APIBlueprint("api_logs", __name__, url_prefix=f"{PREFIX}/attempts", tag="records")


class LogAsked(Schema):
    """Which part of a log; the header Range works as well."""

    tail = asked.number("only so many lines of its end", MOST_LINES)


@blueprint.get("/<number:item>/<number:epoch>")
@blueprint.input(asked.One, location="query")
@gives(AttemptRow)
def show(item: int, epoch: int, query_data: dict[str, Any]) -> Response:
    """Give one attempt, by its item and its epoch."""
    with reading() as connection:
        found = _there(attempt_of(connection, item, epoch), item, epoch)
    return one(found, query_data["wanted"])


@blueprint.get("/<number:item>/<number:epoch>/log")
@blueprint.input(LogAsked, location="query")
@gives_bytes(PLAIN, "the log, as the step wrote it")
def log(item: int, epoch: int, query_data: dict[str, Any]) -> Response:
    """Give the log of an attempt: all of it, the bytes that Range asks for, or its last lines.

    Where no report has said where it lies, it is looked for by its name: the one that was written to last.
    """
    with reading() as connection:
        place, host = _place(connection, item, epoch)
        roots = {site.name: site.path for site in sites(connection, name=place.site)}
    root = roots.get(place.site, "")
    path = logfile.newest(root, place.path) if place.path.endswith("*.log") else place.path
    if not path:
        raise NotFoundError(_none_kept(item, epoch))
    try:
        opened = logfile.opened(root, path)
    except logfile.LogMissingError as error:
        raise NotFoundError(f"{_where(place.site, path, host)}, and cannot be read here: {error}") from error
    if "tail" in query_data:
        logfile.skip_to_tail(opened, query_data["tail"])
        content = opened.read() if request.method == "GET" else b""
        opened.close()
        return Response(content, mimetype=PLAIN)
    return _streamed(opened, logfile.name_of(path))


def _place(connection: Connection, item: int, epoch: int) -> tuple[Location, str]:
    """Give where a log lies, as it was reported or else as it would be called, and on which host it was written."""
    attempt = attempt_of(connection, item, epoch)
    if attempt is not None and attempt.log:
        return Location(site=attempt.log_site, path=attempt.log), attempt.host
    if (pattern := log_pattern(connection, item, epoch)) is not None:
        return pattern, ""
    _there(attempt, item, epoch)
    raise NotFoundError(_none_kept(item, epoch))


def _none_kept(item: int, epoch: int) -> str:
    return f"the attempt {epoch} at item {item} has kept no log"


def _streamed(log: BinaryIO, name: str) -> Response:
    """Answer with a file, or with the range of it that is asked for; not more than a piece is in memory."""
    facts = os.fstat(log.fileno())
    response = send_file(log, mimetype=PLAIN, download_name=name, last_modified=facts.st_mtime)
    response.content_length = facts.st_size
    response.make_conditional(request, accept_ranges=True, complete_length=facts.st_size)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _there(found: AttemptRow | None, item: int, epoch: int) -> AttemptRow:
    if found is None:
        raise NotFoundError(f"There is no attempt {epoch} at item {item} here.")
    return found


def _where(site: str, path: str, host: str) -> str:
    return f"the log is {path} " + (f"at site {site}" if site else f"on {host or 'the host of its worker'}")
