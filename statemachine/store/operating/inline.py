"""An action carried out by who ordered it: what the command line does."""

import contextlib
import time
from collections.abc import Callable

from sqlalchemy import Engine, text

from ...lifecycle import Trigger
from ...records import Record
from ..core import notify
from ..errors import RefusedError
from ..gather import gather
from . import jobs, limits
from .order import Order
from .selection import Selection


class Operated(Record):
    """What an action did: how many items it met, how many it changed, the first few of them by name; the lane into
    which it moved them, none where each stayed in its own; why there was nothing to do, where it met none."""

    total: int
    changed: int
    names: tuple[str, ...] = ()
    lane: str | None = None
    operation: int = 0
    why: str = ""


def operate(
    engine: Engine,
    trigger: Trigger,
    selection: Selection,
    *,
    actor: str,
    reason: str,
    state: str | None = None,
    lane: str | None = None,
    idempotency_key: str | None = None,
    new_content: bool = False,
    progress: Callable[[int], None] | None = None,
    rest: Callable[[float], object] = time.sleep,
) -> Operated:
    """Act on a selection in pages of 1,000 that each commit. The same idempotency key acts once.

    Many items go on in the bulk lane unless `lane` says otherwise, and after each page it rests as long as that took,
    so that they are admitted at a bounded rate, with time for live data in between.
    What was begun with the key and not finished goes on where it stopped. How far an action is stands in its row,
    which each page locks: two processes at one action share its pages, and a daemon takes on what its process has
    left. Ctrl-C leaves the rest undone. Raises `RefusedError`, `NotFoundError`.
    """
    order = Order(
        trigger=trigger,
        selection=selection,
        actor=actor,
        reason=reason,
        state=state,
        lane=lane,
        new_content=new_content,
        key=idempotency_key,
    )
    with engine.begin() as connection:
        job = jobs.begin(connection, order)
    try:
        return _pages(engine, job, progress, rest)
    except KeyboardInterrupt:
        with contextlib.suppress(RefusedError), engine.begin() as connection:
            jobs.cancel(connection, job.id, actor, "interrupted")
        raise


def _pages(
    engine: Engine, job: jobs.Job, progress: Callable[[int], None] | None, rest: Callable[[float], object]
) -> Operated:
    names: list[int] = []
    while True:
        began = time.monotonic()
        with engine.begin() as connection:
            at = jobs.locked(connection, job.id)
            if at.status not in jobs.OPEN:
                return _told(engine, job, at.changed, names)
            paged = jobs.next_page(connection, at)
            names += paged.changed[: limits.SHOWN - len(names)]
        with engine.begin() as connection:
            gather(connection, paged.touched)
            notify(connection, job.order.trigger)
        changed = at.changed + len(paged.changed)
        if progress is not None:
            progress(changed)
        if paged.last:
            return _told(engine, job, changed, names)
        if at.total > limits.MANY:
            rest(time.monotonic() - began)


def _told(engine: Engine, job: jobs.Job, changed: int, items: list[int]) -> Operated:
    statement = text(
        "select coalesce(f.name, 'run ' || run.number) as name from item i join run on run.id = i.run_id "
        "left join file f on f.id = i.file_id where i.id = any(:ids) order by i.id"
    )
    with engine.connect() as connection:
        names = tuple(connection.execute(statement, {"ids": items}).scalars())
    return Operated(
        total=job.seen.total, changed=changed, names=names, lane=job.seen.lane, operation=job.id, why=job.seen.why
    )
