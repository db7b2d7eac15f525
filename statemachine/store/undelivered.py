"""Work that the broker or a worker gave up: its items are taken back where nobody has begun with them."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from ..lifecycle import Trigger, sources
from ..records import Record
from .core import execute, lock_items
from .reports import interrupt

BROKER = "broker"
"""Owns nothing, so that an attempt which somebody has begun goes on: its lease watches over it."""


class Undelivered(Record):
    """One item of a work message that came back, and why. `refused`: a worker has read it, and wants none of it."""

    item: int
    epoch: int
    code: str
    reason: str
    refused: bool = False


def take_back(connection: Connection, lost: Sequence[Undelivered]) -> int:
    """Ready, submitted -> ready after a wait, in a new epoch; give how many changed. A stale epoch changes nothing.

    What a worker has refused is charged to the item's retries, or it would be sent and refused for ever.
    """
    lock_items(connection, [entry.item for entry in lost])
    latest = {entry.item: entry for entry in sorted(lost, key=lambda entry: entry.epoch)}.values()
    interrupted = interrupt(connection, _rows(entry for entry in latest if not entry.refused), BROKER)
    refused = _rows(entry for entry in latest if entry.refused)
    return len(interrupted) + len(execute(connection, "fail", refused, sources=list(sources(Trigger.FAIL))))


def _rows(lost: Iterable[Undelivered]) -> list[dict[str, Any]]:
    """Give the rows that the store's statements read.

    Nobody knows which workers a message met that came back without a word from any of them. So each epoch that
    reached its delivery limit counts as a node of its own among those whose workers died.
    """
    return [
        {
            "item": entry.item,
            "epoch": entry.epoch,
            "owner": BROKER,
            "host": "",
            "job": "",
            "reason_code": entry.code,
            "reason": entry.reason,
            "node": f"broker: epoch {entry.epoch}",
        }
        for entry in lost
    ]
