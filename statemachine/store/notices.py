"""What is told of alerts, and to whom: written down before it is sent, and again and again until it was taken."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ..records import Record
from .core import execute

MOST = 200
"""So many alerts are told in one notice at most; more follow."""


class Telling(Record):
    """An alert as it is told: that it needs somebody, or, where it is `cleared_at`, that it is over."""

    id: int
    code: str
    name: str
    severity: str
    sentence: str
    command: str
    fired_at: datetime
    cleared_at: datetime | None = None


class Notice(Record):
    """Something to be sent to a receiver. Its `id` is the same each time that it is sent."""

    id: int
    receiver: str
    body: dict[str, Any]
    tries: int
    made_at: datetime
    old: bool


Bodies = Callable[[Sequence[Telling]], Mapping[str, dict[str, Any]]]
"""Makes of alerts what is told, by receiver; who is not told of them is left out."""


def gather(connection: Connection, repeat_s: float, bodies: Bodies) -> int:
    """Put what nobody has been told of into one notice a receiver; give how many alerts that is.

    An alert counts as told in the transaction in which its notices are written down: so it is told, and told once.
    """
    new = execute(connection, "alerts_to_tell", repeat_s=repeat_s, most=MOST)
    over = execute(connection, "alerts_to_resolve", most=MOST)
    telling = [Telling(**{name: row._mapping[name] for name in Telling.__struct_fields__}) for row in (*new, *over)]
    if telling:
        rows = [{"receiver": receiver, "body": body} for receiver, body in bodies(telling).items()]
        execute(connection, "add_notices", rows)
        execute(connection, "mark_told", ids=[each.id for each in telling])
    return len(telling)


def add(connection: Connection, receiver: str, body: dict[str, Any]) -> int:
    """Write down something to be sent; give its number."""
    return int(execute(connection, "add_notices", [{"receiver": receiver, "body": body}])[0].id)


def claim(connection: Connection, receiver: str, claim_s: float) -> Notice | None:
    """Take the oldest notice of a receiver, if it is due: nobody else sends it for so long."""
    found = execute(connection, "claim_notice", receiver=receiver, claim_s=claim_s)
    return Notice(**found[0]._mapping) if found else None


def sent(connection: Connection, number: int) -> None:
    """Write down that a receiver has taken it."""
    execute(connection, "notice_sent", id=number)


def failed(connection: Connection, number: int, error: str, again_s: float, *, give_up: bool) -> None:
    """Write down why a receiver did not take it, and when it is tried again, if at all."""
    execute(connection, "notice_failed", id=number, error=error[:500], again_s=again_s, give_up=give_up)


def deaf(connection: Connection, receivers: Sequence[str], after_s: float) -> list[str]:
    """Name those that have refused, or not answered to, what is older than that, and have taken nothing since."""
    return [row.name for row in execute(connection, "deaf_receivers", receivers=list(receivers), after_s=after_s)]


def drop_others(connection: Connection, receivers: Sequence[str]) -> None:
    """Give up what waits for receivers that are no longer there."""
    execute(connection, "drop_notices", receivers=list(receivers))
