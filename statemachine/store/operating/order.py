"""One action that somebody orders: what, to which items, by whom and why."""

from typing import Any

import msgspec
from sqlalchemy import Connection, text

from ...lanes import LANES
from ...lifecycle import Phase, Trigger
from ...meeting import met
from ...records import Record
from ..errors import RefusedError
from .selection import Selection, check

ACTIONS = {
    "requeue": Trigger.RESOLVE,
    "hold": Trigger.HOLD,
    "cancel": Trigger.CANCEL,
    "release": Trigger.RELEASE,
    "abandon": Trigger.ABANDON,
    "recover": Trigger.RECOVER,
    "reset": Trigger.RESET,
}
"""What operators call the triggers."""
NAMES = {str(trigger): name for name, trigger in ACTIONS.items()}
TARGETS = {
    Trigger.RESOLVE: Phase.READY,
    Trigger.HOLD: Phase.HELD,
    Trigger.CANCEL: Phase.HELD,
    Trigger.RELEASE: Phase.READY,
    Trigger.ABANDON: Phase.ABANDONED,
    Trigger.RECOVER: Phase.READY,
}


class Order(Record):
    """What is to be done. `state` is where a reset goes; `lane` the one asked for; `selected` what was seen before.

    `key` stands for this order alone: who sends it twice has it done once.
    """

    trigger: Trigger
    selection: Selection
    actor: str
    reason: str
    state: str | None = None
    lane: str | None = None
    new_content: bool = False
    selected: str | None = None
    key: str | None = None

    def as_asked(self) -> dict[str, Any]:
        """Give what the row of `operation` keeps of it, beside who, why and which action."""
        asked = {"to_state": self.state, "lane": self.lane, "new_content": self.new_content, "selected": self.selected}
        return {**msgspec.to_builtins(self.selection), **asked}


def checked(connection: Connection, order: Order) -> Order:
    """Give the order with its files as numbers. Raises `RefusedError`, `NotFoundError` where it makes no sense."""
    if not order.reason.strip():
        raise RefusedError("an operator's action needs a reason")
    if order.lane is not None and order.lane not in LANES:
        raise RefusedError(f"there is no lane {order.lane}; give one of {', '.join(LANES)}")
    if order.new_content and order.trigger is Trigger.RESET:
        _check_first(connection, order.state)
    return msgspec.structs.replace(order, selection=check(connection, order.selection))


def stored(action: str, actor: str, reason: str, asked: dict[str, Any], lane: str | None) -> Order:
    """Read an order back from its row; `lane` is where its items go on."""
    fields = {name: asked[name] for name in Selection.__struct_fields__ if name in asked}
    return Order(
        trigger=Trigger(action),
        selection=msgspec.convert(fields, met(Selection)),
        actor=actor,
        reason=reason,
        state=asked.get("to_state"),
        lane=lane,
        new_content=asked.get("new_content", False),
    )


def _check_first(connection: Connection, state: str | None) -> None:
    """Refuse new content behind a step that would not see it: it would go on unsalted beside what the old one made."""
    ranks = connection.execute(text("select distinct rank from step_rule where state = :state"), {"state": state})
    if set(ranks.scalars()) != {0}:
        first = connection.execute(text("select distinct state from step_rule where rank = 0 order by state")).scalars()
        raise RefusedError(f"new content starts at the first state: reset --new-content --to {' or '.join(first)}")
