"""The rows of a list as a file: all pages of what the filter finds, sent page by page, as CSV or JSON.

What a spreadsheet would take for a formula is given a leading apostrophe: names come from outside.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec
from flask import Response, stream_with_context
from werkzeug.exceptions import BadRequest

from ..statemachine.views import FileFilter, FileRow, Listed, Page, RunFilter, RunRow, files
from ..statemachine.views import runs as list_runs
from .context import reading

MOST = 200_000
"""Rows in one file at most."""
PAGE = 1000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Also the wide forms of the first four, which some spreadsheets read as these."""
FORMATS = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
Row = Mapping[str, Any]


def answer(form: str, name: str, rows: Iterator[Row]) -> Response:
    """Send rows as a file. Raises `BadRequest` for another format."""
    if form not in FORMATS:
        raise BadRequest(f"format: rows can be had as {' or '.join(FORMATS)}.")
    first = next(rows, None)  # before anything is sent, so that a database that is away is still a 503
    whole = rows if first is None else chain([first], rows)
    written = as_csv(whole) if form == "csv" else as_json(whole)
    response = Response(stream_with_context(written), content_type=FORMATS[form])
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def runs(where: RunFilter) -> Iterator[Row]:
    """Give the runs that fit, a row each."""
    return all_pages(lambda connection, page: list_runs(connection, where, page), run_row)


def run_files(where: FileFilter) -> Iterator[Row]:
    """Give the files that fit, a row each."""
    return all_pages(lambda connection, page: files(connection, where, page), file_row)


def run_row(row: RunRow) -> Row:
    """Write a run as its row; what is missing is not what is still to come, nor what was declared missing."""
    absent = row.missing or 0
    return {
        "run": row.number,
        "type": row.kind,
        "campaign": row.campaign,
        "state": row.state,
        "phase": row.phase,
        "started": row.started,
        "ended": row.ended,
        "closed": row.closed,
        "expected": row.expected,
        "at_source": row.registered,
        "missing": absent if row.closed else 0,
        "to_come": 0 if row.closed else absent,
        "declared_missing": row.waived,
        "failed": row.failed,
        "held": row.held,
        "abandoned": row.abandoned,
        "queued": row.phases.get("ready", 0) + row.phases.get("submitted", 0),
        "executing": row.phases.get("executing", 0),
        "done": row.cataloged,
        "quality": row.quality,
        "states": _pairs(row.states),
        "copies": _pairs({f"{site} {role}": n for site, roles in row.copies.items() for role, n in roles.items()}),
        "reason_code": row.reason_code,
        "reason": row.reason,
    }


def file_row(row: FileRow) -> Row:
    """Write a file as its row."""
    named = ("run", "sequence", "name", "file", "size", "campaign", "state", "phase", "step", "since", "attempts")
    more = ("failures", "interrupts", "host", "log", "not_before", "actor", "reason_code", "reason")
    return {name: getattr(row, name) for name in (*named, *more)}


def as_csv(rows: Iterator[Row] | chain[Row]) -> Iterator[str]:
    """Write rows as CSV, a line each, the names of the columns first."""
    line = io.StringIO()
    writer = csv.writer(line)
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow([cell(value) for value in row.values()])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def as_json(rows: Iterator[Row] | chain[Row]) -> Iterator[bytes]:
    """Write rows as one JSON list, a line each."""
    before = b"[\n"
    for row in rows:
        yield before + msgspec.json.encode(row)
        before = b",\n"
    yield (b"[]" if before == b"[\n" else b"\n]") + b"\n"


def cell(value: Any) -> str:
    """Write a value for CSV: nothing for none, times with their zone, text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, int):
        return str(value)
    written = str(value).replace("\0", "")
    return f"'{written}" if written.startswith(FORMULA) else written


def _pairs(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{name}: {n}" for name, n in sorted(counts.items()))


def all_pages(ask: Callable[[Any, Page], Listed[Any]], write: Callable[[Any], Row]) -> Iterator[Row]:
    """Each page has a connection of its own: who reads slowly must not hold one."""
    after, sent = "", 0
    while sent < MOST:
        with reading() as connection:
            found = ask(connection, Page(limit=min(PAGE, MOST - sent), after=after))
        yield from (write(row) for row in found.rows)
        sent, after = sent + len(found.rows), found.next
        if not after:
            return
