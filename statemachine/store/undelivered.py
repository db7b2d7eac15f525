"""Work that the broker or a worker gave up: its items are interrupted where nobody has begun with them."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ..records import Record
from .core import lock_items
from .reports import interrupt

BROKER = "broker"
"""Owns nothing, so that an attempt which somebody has begun goes on: its lease watches over it."""


class Undelivered(Record):
    """One item of a work message that came back, and why."""

    item: int
    epoch: int
    code: str
    reason: str


def take_back(connection: Connection, lost: Sequence[Undelivered]) -> int:
    """Ready, submitted -> ready after a wait, in a new epoch; give how many changed. A stale epoch changes nothing.

    Nobody knows which workers a message met that came back without a word from any of them. So each epoch that
    reached its delivery limit counts as a node of its own among those whose workers died.
    """
    lock_items(connection, [entry.item for entry in lost])
    latest = {entry.item: entry for entry in sorted(lost, key=lambda entry: entry.epoch)}
    rows = [
        {
            "item": entry.item,
            "epoch": entry.epoch,
            "owner": BROKER,
            "host": "",
            "reason_code": entry.code,
            "reason": entry.reason,
            "node": f"broker: epoch {entry.epoch}",
        }
        for entry in latest.values()
    ]
    return len(interrupt(connection, rows, BROKER))
