"""The row of an action: written down with its frozen list, taken on a page at a time, ended or cancelled."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from ...records import Record
from .. import campaign_make
from ..core import execute
from ..errors import NotFoundError, RefusedError
from . import limits
from .order import ACTIONS, NAMES, Order, checked, stored
from .page import Paged, lock, page
from .present import present
from .refusals import NothingLeftError, SelectionChangedError
from .seen import Seen, chosen, freeze

OPEN = ("waiting", "running")
CANCELLABLE = (*ACTIONS, *campaign_make.ACTIONS)
"""What can be cancelled while it is open, as views call it."""


class Job(Record):
    """An action that has been written down. `fresh`: by this call, not by an earlier one with the same key."""

    id: int
    order: Order
    seen: Seen
    fresh: bool = True


def begin(connection: Connection, order: Order, *, asked: bool = False) -> Job:
    """Write an action down with the items that it is meant for; or find the one that this key stands for.

    `asked`: by a request, which leaves many items to a daemon, and raises `NothingLeftError` where nothing of what was
    named can be acted on. Raises `SelectionChangedError` where `order.selected` is not what is selected now.
    """
    order = checked(connection, order)
    said = msgspec.json.encode(order.as_asked()).decode()
    values: dict[str, Any] = {
        "actor": order.actor,
        "action": str(order.trigger),
        "selection": said,
        "reason": order.reason,
    }
    made = execute(connection, "insert_operation", **values, key=order.key)
    if not made:
        return _earlier(connection, order, values)
    if asked:
        _lock_few(connection, order)
    seen = freeze(connection, made[0].id, order)
    if asked and not seen.total and order.selection.by_name:
        raise NothingLeftError(NAMES[order.trigger], present(connection, order.selection))
    if order.selected not in (None, seen.selected):
        raise SelectionChangedError(seen, order.selected)
    execute(
        connection,
        "frozen_operation",
        id=made[0].id,
        total=seen.total,
        names=list(seen.names),
        lane=seen.lane,
        why=seen.why,
        status="waiting" if asked and seen.total > limits.MANY else "running",
    )
    return Job(id=made[0].id, order=msgspec.structs.replace(order, lane=seen.lane), seen=seen)


def _lock_few(connection: Connection, order: Order) -> None:
    """Lock what is selected, if it is done with the request: who waits here for another sees then what that one did.

    So a small action is for its items as they are when it is done, and none of them changes meanwhile.
    """
    items = chosen(connection, order, limits.MANY + 1)
    if len(items) <= limits.MANY:
        lock(connection, items)


def _earlier(connection: Connection, order: Order, values: dict[str, Any]) -> Job:
    """Give the action that was begun with this key, if it is the same one."""
    row = execute(connection, "earlier_operation", **values, key=order.key)[0]
    if not row.same:
        raise RefusedError(
            f"the idempotency key {order.key} stands for another action, of {row.at:%Y-%m-%d}; take a new one"
        )
    seen = Seen(total=row.total, selected="", names=tuple(row.names), lane=row.lane, why=row.why)
    return Job(id=row.id, order=msgspec.structs.replace(order, lane=row.lane), seen=seen, fresh=False)


def locked(connection: Connection, operation: int) -> Row[Any]:
    """Lock an action's row, so that its pages come one after the other."""
    found = execute(connection, "lock_operation", id=operation)
    if not found:
        raise NotFoundError(f"there is no operation {operation}")
    return found[0]


def next_page(connection: Connection, row: Row[Any], runner: str = "") -> Paged:
    """Do the next page of an action whose row is locked, and write down how far it is."""
    order = stored(row.action, row.actor, row.reason, row.selection, row.lane)
    paged = page(connection, row.id, order, row.after)
    progress(connection, row.id, paged, runner)
    return paged


def progress(connection: Connection, operation: int, paged: Paged, runner: str = "") -> None:
    """Write down what a page did."""
    execute(
        connection,
        "operation_progress",
        id=operation,
        done=len(paged.taken),
        changed=len(paged.changed),
        after=max(paged.taken, default=0),
        ended=paged.last,
        runner=runner,
    )


def cancel(connection: Connection, operation: int, actor: str, reason: str) -> None:
    """Leave the rest of an action undone; what is done stays. Raises `RefusedError` where it has ended."""
    if not reason.strip():
        raise RefusedError("an operator's action needs a reason")
    row = locked(connection, operation)
    if row.status not in OPEN or row.action not in (*NAMES, *campaign_make.ACTIONS):
        raise RefusedError(f"operation {operation} is {row.status}; only one that waits or runs can be cancelled")
    if row.action in campaign_make.ACTIONS:
        campaign_make.leave(connection, operation, f"{actor}: {reason}")
    else:
        end(connection, operation, "cancelled", f"{actor}: {reason}")


def end(connection: Connection, operation: int, status: str, why: str) -> None:
    """End an action before it is done, and forget the rest of its list."""
    execute(connection, "end_operation", id=operation, status=status, why=why)
    execute(connection, "drop_operation_items", operation=operation)
