"""`/runs/<number>`: one run, its counts, what is wrong with it and why, and a cell for every file."""

from flask import Blueprint, Response
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ...statemachine.lifecycle import Phase
from ...statemachine.views import FileFilter, RunDetail, marks
from ...statemachine.views import run as find_run
from ...statemachine.why import why_found
from .. import asked, bars, orders
from ..cells import MOST, cells
from ..context import reading
from ..live import live_page
from .runs import line_of

blueprint = Blueprint("run", __name__)


@blueprint.get("/runs/<int:number>")
def show(number: int) -> Response:
    """Show one run."""
    page = asked.page(MOST)
    with reading() as connection:
        detail = _found(connection, number)
        why = why_found(connection, detail)
        states = orders.states_of_campaigns(connection, [detail.row.campaign]).get(detail.row.campaign, ())
        listed = marks(connection, FileFilter(run=number, campaign=detail.row.campaign or None), page)
    absent = "missing" if detail.row.closed else "coming"
    shown = cells(listed.rows, detail.gaps, states, first=not page.after, last=not listed.next, absent=absent)
    return live_page(
        "run",
        run=detail.row,
        detail=detail,
        why=why,
        states=states,
        phases=[phase.value for phase in Phase if phase.value in detail.row.phases],
        line=line_of(detail.row, states),
        cells=shown,
        shades=bars.shades(states),
        page=page,
        following=listed.next,
        gaps=_gap_lines(detail),
    )


def _found(connection: Connection, number: int) -> RunDetail:
    detail = find_run(connection, number) if number <= asked.LARGEST else None
    if detail is None:
        raise NotFound(f"There is no run {number} here.")
    return detail


def _gap_lines(detail: RunDetail) -> list[str]:
    """Name the gaps: `17 to 19`, `44`."""
    return [str(gap.first) if gap.first == gap.last else f"{gap.first} to {gap.last}" for gap in detail.gaps.ranges]
