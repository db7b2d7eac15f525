"""Whose an item is: what a line of the log says of those who know only its number (docs/logging.md)."""

from collections.abc import Collection

from sqlalchemy import Connection

from ..naming import run_name
from ..records import Record
from .core import execute


class Named(Record):
    """An item by its run and name, and the lane that it goes in."""

    run: int
    name: str
    lane: str


def named(connection: Connection, items: Collection[int]) -> dict[int, Named]:
    """Give the names of these items; what is not there has none."""
    if not items:
        return {}
    rows = execute(connection, "item_names", ids=sorted(items))
    return {row.item: Named(run=row.number, name=row.file or run_name(row.number), lane=row.lane) for row in rows}
