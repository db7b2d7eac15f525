"""The ways of items to their ends, whole: what a trace is made of."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Connection

from ..meeting import met
from ..records import Record
from ..store.core import execute
from ..store.measure import Change


class Tried(Record):
    """One attempt that has ended. `began_at` is by the worker's clock, the other times are by the database's.

    `ready_at`: since when the item had waited for it. `worked_s` is what the worker measured; none where it was lost.
    """

    epoch: int
    step: str
    owner: str
    host: str
    job: str
    ended_at: datetime
    outcome: str
    code: str
    reason: str
    ready_at: datetime | None = None
    began_at: datetime | None = None
    worked_s: float | None = None


class Happened(Record):
    """A change that no attempt made: held, released, passed by, ..."""

    at: datetime
    trigger: str
    state: str
    code: str


class Journey(Record):
    """The way of an item to an end. `file` is none for a run's own item.

    `closed_at`: when the detector closed the file, where that is what began it. `began_at`: when the item was made; or
    came back from an earlier end, by the version `again`, which is 0 the first time.
    """

    item: int
    run: int
    file: str | None
    kind: str
    campaign: str
    lane: str
    again: int
    closed_at: datetime | None
    began_at: datetime
    first_state: str | None
    ended_at: datetime
    state: str
    phase: Literal["done", "failed"]
    code: str
    reason: str
    attempts: tuple[Tried, ...]
    events: tuple[Happened, ...]


def journeys(connection: Connection, changes: Iterable[Change]) -> list[Journey]:
    """Give the ways that ended with these changes; most changes are no end, and give nothing."""
    rows = execute(connection, "journeys", [{"item": each.item, "version": each.version} for each in changes])
    return [msgspec.convert(dict(row._mapping), met(Journey)) for row in rows]
