"""One page of an action: the next items off its list, changed if they still are as they were frozen."""

from typing import Any

from sqlalchemy import Connection, Row, text

from ...lifecycle import Phase, Trigger, sources
from ...records import Record
from ..accept import retire
from ..core import Touched, execute, lock_items, ready_of
from ..folders import order_cleaning
from ..gather import lock_runs, rewind
from ..quiet import quietly
from . import limits
from .order import TARGETS, Order
from .selection import FROM, conditions


class Paged(Record):
    """What a page did: the items that it took off the list, in order, and those of them that it changed.

    `same`: all were as they had been frozen. `touched` are the runs to be gathered after the commit.
    """

    taken: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    same: bool = True
    touched: Touched = set()

    @property
    def last(self) -> bool:
        """Say whether nothing can be left on the list."""
        return len(self.taken) < limits.PAGE


def page(connection: Connection, operation: int, order: Order, after: int, *, exact: bool = False) -> Paged:
    """Take the items after this one off an action's list; change those that are in the version that was frozen.

    One that has changed meanwhile was meant otherwise, and is left alone, whatever the action is. `exact`: nothing is
    changed unless all are as they were frozen. Runs are locked before items, both in order.
    """
    taken = execute(connection, "take_operation_items", operation=operation, after=after, page=limits.PAGE)
    frozen = {row.item_id: row.version for row in sorted(taken)}
    now = _locked(connection, order, list(frozen))
    same = all(frozen[row.id] == row.version for row in now) and len(now) == len(frozen)
    done = Paged(taken=tuple(frozen), same=same)
    if exact and not same:
        return done
    meant = [row for row in now if frozen[row.id] == row.version]
    rows = change(connection, order, [{"item": row.id, "version": row.version} for row in meant])
    return Paged(
        taken=done.taken,
        changed=tuple(sorted(row.item for row in rows)),
        same=same,
        touched={(row.run_id, row.campaign_id) for row in rows},
    )


def change(connection: Connection, order: Order, wanted: list[dict[str, int]]) -> list[Row[Any]]:
    """Change these items, each in this version, with all that follows for their attempts, folders and runs."""
    rows = _moved(connection, order, wanted)
    rewind(connection, (row.run_id for row in rows))
    execute(connection, "pin_left_out", ids=[row.item for row in rows if row.phase == Phase.READY])
    _end(connection, order, rows)
    quietly(connection, ready_of(rows))
    return rows


def _locked(connection: Connection, order: Order, items: list[int]) -> list[Row[Any]]:
    """Lock items and their runs; give those that are still selected, as they are now."""
    lock(connection, items)
    where, values = conditions(order.trigger, TARGETS.get(order.trigger), order.selection, order.state)
    statement = text(f"select i.id, i.version {FROM} where {where} and i.id = any(:taken) order by i.id")
    return list(connection.execute(statement, {**values, "taken": items}).all())


def lock(connection: Connection, items: list[int]) -> None:
    """Lock items and, before them, their runs; both in order."""
    lock_runs(connection, _runs(connection, items))
    lock_items(connection, items)


def _runs(connection: Connection, items: list[int]) -> set[int]:
    statement = text("select distinct run_id from item where id = any(:ids)")
    return set(connection.execute(statement, {"ids": items}).scalars())


def _moved(connection: Connection, order: Order, wanted: list[dict[str, int]]) -> list[Row[Any]]:
    said = {
        "actor": order.actor,
        "reason": order.reason,
        "reason_code": f"operator-{order.trigger}",
        "lane": order.lane,
        "sources": list(sources(order.trigger)),
    }
    if order.trigger is not Trigger.RESET:
        target = str(TARGETS[order.trigger])
        return execute(connection, "operate", wanted, target=target, trigger=str(order.trigger), **said)
    if order.new_content:
        execute(connection, "take_new_content", wanted)
    rows = execute(connection, "reset", wanted, state=order.state, **said)
    ids = [row.item for row in rows]
    retire(connection, execute(connection, "supersede_after", ids=ids, reason=order.reason))
    execute(connection, "retire_copies_after", ids=ids)
    return rows


def _end(connection: Connection, order: Order, rows: list[Row[Any]]) -> None:
    """End the attempts that were taken from their workers, and order their folders removed."""
    taken = [row for row in rows if row.owner]
    code = f"operator-{order.trigger}"
    ended = [
        {
            "item": row.item,
            "epoch": row.epoch,
            "outcome": "cancelled",
            "reason_code": code,
            "reason": order.reason,
        }
        for row in taken
    ]
    execute(connection, "end_attempts", ended)
    order_cleaning(connection, [(row.item, row.epoch, row.step, row.owner) for row in taken])
