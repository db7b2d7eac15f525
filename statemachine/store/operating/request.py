"""An action that comes with a request: done within it if it is small, else written down for a daemon."""

from sqlalchemy import Connection

from ...records import Record
from ..core import Touched, notify
from ..gather import gather
from . import jobs
from .order import NAMES, Order
from .page import page
from .present import present
from .refusals import NothingLeftError, SelectionChangedError
from .seen import look


class Acted(Record):
    """An action, by its number. `waits`: a daemon carries it out. `touched`: what `follow` needs after the commit."""

    operation: int
    waits: bool = False
    touched: Touched = set()


def act(connection: Connection, order: Order) -> Acted:
    """Do up to 1,000 items in the caller's transaction, or accept more of them.

    A small one is judged after its items were locked: of two who act on the same at once, one does it, and the other
    is told so. A large one is judged when it is accepted; what has changed by the time of its page is left alone, and
    counted.
    Raises `SelectionChangedError`, `NothingLeftError`, `RefusedError`, `NotFoundError`.
    """
    job = jobs.begin(connection, order, asked=True)
    row = jobs.locked(connection, job.id)
    if not job.fresh or row.status == "waiting":
        return Acted(operation=job.id, waits=row.status in jobs.OPEN)
    paged = page(connection, job.id, job.order, 0, exact=order.selected is not None)
    if not paged.changed:
        _refuse(connection, job.order, same=paged.same)
    jobs.progress(connection, job.id, paged)
    return Acted(operation=job.id, touched=paged.touched)


def _refuse(connection: Connection, order: Order, *, same: bool) -> None:
    """Say why nothing was changed, where that is not what was asked for."""
    seen = look(connection, order)
    if order.selection.by_name and not seen.total:
        raise NothingLeftError(NAMES[order.trigger], present(connection, order.selection))
    if not same:
        raise SelectionChangedError(seen, order.selected)


def follow(connection: Connection, acted: Acted) -> None:
    """After the commit of an action, in a transaction of its own: let runs follow their files, wake the conductors."""
    gather(connection, acted.touched)
    notify(connection, "operation")
