"""How the store runs its named statements: sets go in as one JSON array, rows come back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, text

from ..queries import query
from ..records import Record


class Ready(Record):
    """An item that has just become ready for a step, in the epoch that fences its next attempt."""

    item: int
    epoch: int
    step: str
    lane: str


Touched = set[tuple[int, int]]
"""(run id, campaign id) pairs whose counts changed, so that the run's own item may move."""


def execute(
    connection: Connection, name: str, rows: Iterable[Mapping[str, Any]] | None = None, **values: Any
) -> list[Row[Any]]:
    """Run a named statement; `rows` become its `:rows`. Nothing is run for an empty set."""
    if rows is not None:
        listed = list(rows)
        if not listed:
            return []
        values["rows"] = msgspec.json.encode(listed).decode()
    result = connection.execute(query(name), values)
    return list(result.fetchall()) if result.returns_rows else []


def ready_of(rows: Iterable[Row[Any]]) -> list[Ready]:
    """Keep the rows that are ready for a step. The rows have item, epoch or now_epoch, step or next_step, lane."""
    found = []
    for row in rows:
        fields = row._mapping
        step = fields["next_step"] if "next_step" in fields else fields["step"]
        if fields["phase"] == "ready" and step is not None:
            epoch = fields["now_epoch"] if "now_epoch" in fields else fields["epoch"]
            found.append(Ready(item=fields["item"], epoch=epoch, step=step, lane=fields["lane"]))
    return found


def lock_items(connection: Connection, items: Iterable[int]) -> None:
    """Lock items in id order, so that no two transactions of many statements wait for each other."""
    wanted = sorted(set(items))
    if wanted:
        statement = text("select id from item where id = any(:ids) order by id for no key update")
        connection.execute(statement, {"ids": wanted})


def notify(connection: Connection, what: str = "work") -> None:
    """Wake the conductors when this transaction commits."""
    connection.execute(text("select pg_notify('headframe_' || current_schema(), :what)"), {"what": what})


def database_time(connection: Connection) -> datetime:
    """Give the database's clock, the only one that leases and waits go by."""
    now: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return now
