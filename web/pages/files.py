"""`/runs/<number>/files`: the files of a run as a table, by sequence number, filtered and paged."""

from flask import Blueprint, Response

from ...statemachine.lifecycle import Phase
from ...statemachine.views import FileFilter
from ...statemachine.views import files as list_files
from .. import asked, exports, orders
from ..context import reading
from ..live import live_page
from .runs import one

ROWS = 100
PHASES = tuple(phase.value for phase in Phase if phase is not Phase.WAITING)
blueprint = Blueprint("files", __name__)


@blueprint.get("/runs/<number:number>/files")
def show(number: int) -> Response:
    """List the files of one run."""
    where = FileFilter(
        run=number,
        state=asked.word("state"),
        phase=asked.word("phase"),
        reason_code=asked.word("reason"),
        name=asked.word("name"),
    )
    if (form := asked.word("format")) is not None:
        return exports.answer(form, f"run-{number}-files", exports.run_files(where))
    page = asked.page(ROWS)
    with reading() as connection:
        run = one(connection, number)
        states = orders.states_of_campaigns(connection, [run.campaign]).get(run.campaign, ())
        listed = list_files(connection, where, page)
    return live_page(
        "files", run=run, files=listed.rows, following=listed.next, where=where, page=page, states=states, phases=PHASES
    )
