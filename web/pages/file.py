"""`/files/<id>`: one file: where it is, what was made of it, what was tried and why it stands where it stands."""

from flask import Blueprint, Response
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ...statemachine.views import FileDetail
from ...statemachine.views import file as find_file
from ...statemachine.views.launchers import pilots_of_jobs
from ...statemachine.why import why_found_file
from ..context import reading
from ..live import live_page

blueprint = Blueprint("file", __name__)


@blueprint.get("/files/<number:number>")
def show(number: int) -> Response:
    """Show one file by its number."""
    with reading() as connection:
        file = found(connection, number)
        why = why_found_file(connection, file)
        pilots = pilots_of_jobs(connection, [each.job for each in file.attempts])
    numbers = {job: pilot.id for job, pilot in pilots.items()}
    return live_page("file", topics=(f"run:{file.run}",), file=file, why=why, pilots=numbers)


def found(connection: Connection, number: int) -> FileDetail:
    """Give a file by its number. Raises `NotFound` with the number in its line."""
    file = find_file(connection, number)
    if file is None:
        raise NotFound(f"There is no file with the number {number} here.")
    return file
