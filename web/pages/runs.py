"""`/`: all runs, newest first, with how far the files of each are at each site and in each state."""

from collections.abc import Sequence
from typing import NamedTuple

from flask import Blueprint, Response
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ...statemachine.views import RunFilter, RunRow
from ...statemachine.views import runs as list_runs
from .. import asked, bars, orders
from ..context import reading
from ..live import live_page

ROWS = 50
blueprint = Blueprint("runs", __name__)


class Line(NamedTuple):
    """A run as its row shows it: how many files reached each state, copies by site, the bar of all.

    `missing` files have not come though the run is closed; those `coming` may, for it is still open.
    """

    run: RunRow
    reached: dict[str, int]
    copies: dict[str, list[tuple[str, int]]]
    bar: tuple[bars.Segment, ...]
    whole: int
    missing: int
    coming: int


@blueprint.get("/")
def show() -> Response:
    """List runs."""
    where = RunFilter(numbers=asked.numbers("number"), kind=asked.word("kind"), state=asked.word("state"))
    page = asked.page(ROWS)
    with reading() as connection:
        listed = list_runs(connection, where, page)
        lines, states = _lines(connection, listed.rows)
        choices = orders.choices(connection)
    sites = sorted({site for line in lines for site in line.copies})
    return live_page(
        "runs", lines=lines, states=states, sites=sites, choices=choices, where=where, page=page, following=listed.next
    )


def one(connection: Connection, number: int) -> RunRow:
    """Give one run's row. Raises `NotFound` with the number in its line."""
    rows = list_runs(connection, RunFilter(numbers=(number,))).rows if number <= asked.LARGEST else ()
    if not rows:
        raise NotFound(f"There is no run {number} here.")
    return rows[0]


def line_of(run: RunRow, states: Sequence[str]) -> Line:
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
    )


def _raw_first(role: tuple[str, int]) -> tuple[bool, str]:
    return role[0] != "raw", role[0]


def _lines(connection: Connection, rows: Sequence[RunRow]) -> tuple[list[Line], tuple[str, ...]]:
    by_campaign = orders.states_of_campaigns(connection, (row.campaign for row in rows))
    lines = [line_of(row, by_campaign.get(row.campaign, ())) for row in rows]
    return lines, orders.merged(by_campaign.values())[1:]
