"""`/runs/<number>`: one run, its counts, what is wrong with it and why, and a cell for every file."""

from flask import Blueprint, Response, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ...statemachine.lifecycle import Phase
from ...statemachine.views import (
    FamilyFilter,
    RunDetail,
    around,
    cell_rows,
    families,
    forecast_found,
    tries,
    tries_among,
    usage_of_run,
)
from ...statemachine.views import run as find_run
from ...statemachine.why import why_found
from .. import asked, bars, orders
from ..cells import MOST, bunched, cells, drawn
from ..context import reading
from ..diagram import diagram
from ..live import live_page
from ..timeline import marks
from .runs import gap_names, line_of

NAMED = 20
MOVING = {"ready", "submitted", "executing"}
COUNTED = 2000
"""Up to so many files what they used is counted for each look at their run."""
HOURS = 24 * 90
"""How far back failures of a run are looked for."""
blueprint = Blueprint("run", __name__)


@blueprint.get("/runs/<number:number>")
def show(number: int) -> Response:
    """Show one run."""
    page = asked.page(MOST)
    with reading() as connection:
        detail = _found(connection, number)
        row, alive = detail.row, around(connection)
        listed = cell_rows(connection, number, page)
        whole = not page.after and not listed.next
        values = {
            "why": why_found(connection, detail, alive),
            "tries": tries_among(listed.rows) if whole else tries(connection, row.id, row.campaign),
            "forecast": forecast_found(connection, row, alive) if MOVING & row.phases.keys() else None,
            "used": usage_of_run(connection, number) if row.registered <= COUNTED else None,
            "families": families(connection, FamilyFilter(run=number, hours=HOURS)).rows if detail.reasons else (),
        }
        states, left_out = orders.of_run(connection, row.campaign, row.kind)
    absent = "missing" if row.closed else "coming"
    shown = cells(listed.rows, detail.gaps, states, first=not page.after, last=not listed.next, absent=absent)
    line = line_of(row, states)
    return live_page(
        "run",
        run=row,
        detail=detail,
        states=states,
        phases=[phase.value for phase in Phase if phase.value in row.phases],
        line=line,
        cells=bunched(drawn(shown, url_for("file.show", number=0)[:-1])),
        shades=bars.shades(states),
        stops=diagram(row.files, line.reached, states, detail.steps, left_out, row.state),
        marks=marks(detail),
        page=page,
        following=listed.next,
        gaps=gap_names(detail.gaps.ranges, NAMED),
        **values,
    )


def _found(connection: Connection, number: int) -> RunDetail:
    detail = find_run(connection, number)
    if detail is None:
        raise NotFound(f"There is no run {number} here.")
    return detail
