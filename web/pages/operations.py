"""`/operations`: who did what, when and why, what came of it, and how far what runs is."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from ...statemachine.views import AuditFilter, AuditRow, audit
from .. import asked, exports, words
from ..access.identity import Role, may
from ..context import here, reading
from ..live import live_page

ROWS = 50
MOST_RUNS = 6
blueprint = Blueprint("operations", __name__)


class Line(NamedTuple):
    """An action as its row shows it: what it was of, in words; the runs that it names; how far it is, of 100."""

    row: AuditRow
    of: str
    runs: tuple[int, ...]
    more_runs: int
    share: float | None


@blueprint.get("/operations")
def show() -> Response:
    """List what was done, the latest first, as a page or (`format`) as a file."""
    where, page = _where(), asked.page(ROWS)
    if form := asked.word("format"):
        return exports.answer(form, "operations", _all(where))
    with reading() as connection:
        listed = audit(connection, where, page)
    return live_page(
        "operations", lines=[line(row) for row in listed.rows], following=listed.next, page=page, where=where
    )


def line(row: AuditRow) -> Line:
    """Make an action's line."""
    runs = words.runs_of(row)
    share = round(100 * row.done / row.total, 1) if row.finished_at is None and row.total else None
    return Line(row, words.said_of(row), runs[:MOST_RUNS], max(0, len(runs) - MOST_RUNS), share)


def _all(where: AuditFilter) -> Iterator[Mapping[str, Any]]:
    return exports.all_pages(lambda connection, page: audit(connection, where, page), _written)


def _written(row: AuditRow) -> Mapping[str, Any]:
    plain = ("at", "actor", "action", "reason", "total", "done", "changed", "status", "finished_at", "why")
    return {
        **{name: getattr(row, name) for name in plain},
        "runs": " ".join(map(str, words.runs_of(row))),
        "of": words.said_of(row),
        "source": row.source,
        "id": row.id,
    }


def _where() -> AuditFilter:
    run = asked.word("run")
    if run is not None and asked.whole(run) is None:
        raise BadRequest(f"“{run[:40]}” is no run number.")
    until = _day("until")
    return AuditFilter(
        actor=asked.word("actor"),
        action=asked.word("action"),
        since=_day("since"),
        until=None if until is None else until + timedelta(days=1),
        run=None if run is None else int(run),
        access=may(Role.ADMINISTRATOR),
    )


def _day(name: str) -> datetime | None:
    """Give the beginning of a day in the site's zone. Raises `BadRequest` where it is none."""
    said = request.args.get(name, "").strip()
    if not said:
        return None
    try:
        day = date.fromisoformat(said)
        return datetime(day.year, day.month, day.day, tzinfo=here().zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name}: “{said[:40]}” is no day; write it as 2026-11-21.") from error
