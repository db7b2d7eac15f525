"""`/files/<id>/compare`: a file beside a sibling that worked, with the ends of both logs."""

from flask import Blueprint, Response
from sqlalchemy import Connection

from ...statemachine.views import Side, sites
from ...statemachine.views import compare as find_comparison
from ...statemachine.views.launchers import pilots_of_jobs
from .. import asked, logfile
from ..context import reading
from ..live import live_page
from .file import found as found_file

LINES = 30
LONGEST = 20_000
blueprint = Blueprint("compare", __name__)


@blueprint.get("/files/<number:number>/compare")
def show(number: int) -> Response:
    """Compare a file with its sibling."""
    with reading() as connection:
        file = found_file(connection, number)
        found = find_comparison(connection, number, asked.word("campaign"))
        sides = [side for side in (found.this, found.that) if side is not None] if found else []
        logs = [(side, _tail(connection, side)) for side in sides]
        known = pilots_of_jobs(connection, [side.job for side in sides])
    pilots = {job: pilot.id for job, pilot in known.items()}
    topics = (f"run:{file.run}",)
    return live_page("compare", file=file, comparison=found, logs=logs, pilots=pilots, topics=topics)


def _tail(connection: Connection, side: Side) -> str:
    """Give the last lines of an attempt's log; empty where it cannot be read here."""
    roots = {site.name: site.path for site in sites(connection, name=side.log_site)}
    try:
        log = logfile.opened(roots.get(side.log_site, ""), side.log) if side.log else None
    except logfile.LogMissingError:
        return ""
    if log is None:
        return ""
    with log:
        logfile.skip_to_tail(log, LINES)
        return log.read(4 * LONGEST).decode(errors="replace")[-LONGEST:]
