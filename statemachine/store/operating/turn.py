"""A daemon's turn at the actions that wait: one page of the one that was longest not looked after."""

from sqlalchemy import Engine

from ...database import first_line, is_passing
from ...records import Record
from ..core import execute, notify
from ..gather import gather
from . import jobs
from .order import NAMES

SILENT_S = 30.0
"""Who has an action and is not heard of for so long has left it: it goes on with another one."""


class Turned(Record):
    """A page that was done: of which action, how many items it took and changed, why it failed (then it is over)."""

    operation: int
    done: int = 0
    changed: int = 0
    failed: str = ""


def turn(engine: Engine, runner: str, silent_s: float = SILENT_S) -> Turned | None:
    """Do one page; none where nothing waits. Errors that pass are raised, others end the action, with their text.

    The row stays locked to the end of the page, and others skip it: several daemons take different actions.
    """
    operation = 0
    try:
        with engine.begin() as connection:
            found = execute(connection, "take_operation", runner=runner, silent_s=silent_s, actions=list(NAMES))
            if not found:
                return None
            operation = found[0].id
            paged = jobs.next_page(connection, found[0], runner)
    except Exception as error:
        if not operation or is_passing(error):
            raise
        return _failed(engine, operation, first_line(error))
    with engine.begin() as connection:
        gather(connection, paged.touched)
        notify(connection, "operation")
    return Turned(operation=operation, done=len(paged.taken), changed=len(paged.changed))


def _failed(engine: Engine, operation: int, why: str) -> Turned:
    with engine.begin() as connection:
        if jobs.locked(connection, operation).status in jobs.OPEN:
            jobs.end(connection, operation, "failed", why)
    return Turned(operation=operation, failed=why)
