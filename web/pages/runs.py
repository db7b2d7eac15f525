"""`/`: all runs, newest first or those that miss most on top, with how far the files of each are and what is wrong."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as Answer

from ...statemachine.views import (
    Page,
    Range,
    RunFilter,
    RunRow,
    first_gaps,
    service_needs,
    trouble_summary,
    unknown_runs,
)
from ...statemachine.views import runs as list_runs
from .. import asked, bars, exports, orders, search
from ..access.identity import Role, needs, only_reads
from ..context import reading
from ..live import live_page
from . import status

ROWS = 50
NAMED = 3
ORDERS: dict[str, Literal["-number", "number", "-missing"]] = {
    "newest": "-number",
    "oldest": "number",
    "missing": "-missing",
}
WITH_GAPS = 20
"""How many runs of a page have their gaps named."""
SHORT = 4000
"""How long the numbers of a look-up may be to stand in an address."""
blueprint = Blueprint("runs", __name__)


class Line(NamedTuple):
    """A run as its row shows it: how many files reached each state, copies by site, the bar of all.

    `missing` files have not come though the run is closed; those `coming` may, for it is still open. `gaps` are the
    first few of them by name.
    """

    run: RunRow
    reached: dict[str, int]
    copies: dict[str, list[tuple[str, int]]]
    bar: tuple[bars.Segment, ...]
    whole: int
    missing: int
    coming: int
    gaps: tuple[Range, ...] = ()


@blueprint.get("/")
def show() -> Response:
    """List runs, or send the rows to a file."""
    where = wanted()
    if (form := asked.word("format")) is not None:
        return exports.answer(form, "runs", exports.runs(where))
    return _shown(where, live=True)


@blueprint.post("/look-up")
@only_reads
@needs(Role.VIEWER)
def look_up() -> Answer:
    """Look up many run numbers, sent as a form because an address holds few."""
    numbers = asked.numbers_in(request.form.get("number", ""))
    if not numbers:
        return redirect(url_for(".show"), 303)
    short = search.spans(numbers)
    if len(short) <= SHORT:
        return redirect(url_for(".show", number=short), 303)
    return _shown(RunFilter(numbers=numbers), live=False)


def wanted() -> RunFilter:
    """Read what the address asks for: the search box and the fields beside it. Raises `BadRequest`."""
    where = search.parsed(request.args.get("q", ""))
    order = asked.word("sort") or "newest"
    if order not in ORDERS:
        raise BadRequest(f"sort: runs can be sorted by {', '.join(ORDERS)}.")
    return msgspec.structs.replace(
        where,
        numbers=where.numbers or asked.numbers("number"),
        kind=where.kind or asked.word("kind"),
        state=where.state or asked.word("state"),
        order=ORDERS[order],
    )


def one(connection: Connection, number: int) -> RunRow:
    """Give one run's row. Raises `NotFound` with the number in its line."""
    rows = list_runs(connection, RunFilter(numbers=(number,))).rows
    if not rows:
        raise NotFound(f"There is no run {number} here.")
    return rows[0]


def line_of(run: RunRow, states: Sequence[str], gaps: tuple[Range, ...] = ()) -> Line:
    """Make a run's line; `states` are those that its files pass, in order."""
    absent, waived = int(run.missing or 0), int(run.waived)
    missing, coming = (absent, 0) if run.closed else (0, absent)
    return Line(
        run=run,
        reached=bars.reached(run.states, states),
        copies={site: sorted(roles.items(), key=_raw_first) for site, roles in sorted(run.copies.items())},
        bar=bars.files_bar(run.files, states, {"missing": missing, "waived": waived, "coming": coming}),
        whole=max(int(run.expected or 0) - waived, int(run.registered)),
        missing=missing,
        coming=coming,
        gaps=gaps,
    )


def gap_names(gaps: Sequence[Range], most: int = NAMED) -> str:
    """Name gaps: `17 to 19, 44`, the first few of them."""
    said = [str(gap.first) if gap.first == gap.last else f"{gap.first} to {gap.last}" for gap in gaps[:most]]
    return ", ".join(said) + (" and more" if len(gaps) > most else "")


def _shown(where: RunFilter, *, live: bool) -> Response:
    page = asked.page(ROWS) if live else Page(limit=len(where.numbers))
    with reading() as connection:
        listed = list_runs(connection, where, page)
        lines, states = _lines(connection, listed.rows)
        values = {
            "choices": orders.choices(connection),
            "summary": trouble_summary(connection),
            "needs": [(need, status.link(need)) for need in service_needs(connection)],
            "unknown": unknown_runs(connection, where.numbers) if where.numbers and not page.after else (),
        }
    values["sites"] = sorted({site for line in lines for site in line.copies})
    asks = where != RunFilter(order=where.order)
    return live_page(
        "runs",
        live=live,
        lines=lines,
        states=states,
        where=where,
        asks=asks,
        q=request.args.get("q", ""),
        page=page,
        following=listed.next,
        note=listed.note,
        spans=search.spans,
        gap_names=gap_names,
        **values,
    )


def _raw_first(role: tuple[str, int]) -> tuple[bool, str]:
    return role[0] != "raw", role[0]


def _lines(connection: Connection, rows: Sequence[RunRow]) -> tuple[list[Line], tuple[str, ...]]:
    by_campaign = orders.states_of_campaigns(connection, (row.campaign for row in rows))
    gaps = first_gaps(connection, [row.id for row in rows if row.closed and row.missing][:WITH_GAPS])
    lines = [line_of(row, by_campaign.get(row.campaign, ()), gaps.get(row.id, ())) for row in rows]
    return lines, orders.merged(by_campaign.values())[1:]
