"""Measures: what changed is taken from `measure_due` into spans of minutes, old spans become hours and then days."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from ..records import Record
from .core import database_time, execute

FINE = {"latency": 5, "rate": 1, "failure": 5}
"""How many minutes the finest spans of each measure have."""
HOUR, DAY = 60, 24 * 60
HOURS_AFTER = timedelta(days=2)
DAYS_AFTER = timedelta(days=90)


class Change(Record):
    """A change of an item that was measured: the item came to this version."""

    item: int
    version: int


def taken(connection: Connection, page: int) -> list[Change]:
    """Measure a page of changes and give them. Nothing where somebody else is at it."""
    rows = execute(connection, "take_measures", page=page) if _alone(connection) else []
    return [Change(item=row.item, version=row.version) for row in rows]


def take(connection: Connection, page: int) -> int:
    """Measure a page of changes; give how many there were."""
    return len(taken(connection, page))


def name_failures(connection: Connection, page: int) -> int:
    """Put a page of failures of before families were kept into theirs; give how many there were."""
    return _counted(connection, "name_failures", page)


def coarsen(connection: Connection, page: int) -> int:
    """Make hours of what is older than two days, and days of what is older than ninety; give how many rows went."""
    if not _alone(connection):
        return 0
    now = database_time(connection)
    gone = 0
    for what, fine in FINE.items():
        gone += _coarser(connection, what, fine, HOUR, now - HOURS_AFTER, page)
        gone += _coarser(connection, what, HOUR, DAY, now - DAYS_AFTER, page)
    return gone


def fold_sums(connection: Connection, page: int) -> int:
    """Fold a page of what was counted into the sums; give how many rows there were."""
    return _counted(connection, "fold_sums", page)


def many_sums(connection: Connection, most: int) -> bool:
    """Say whether more than so many rows wait to be folded; it counts no further."""
    return bool(execute(connection, "many_sums", most=most)[0].many)


def forget_samples(connection: Connection, page: int) -> int:
    """Forget a page of how much room sites had more than a week ago; give how many rows went."""
    return _counted(connection, "forget_samples", page)


def _coarser(connection: Connection, what: str, fine: int, coarse: int, before: datetime, page: int) -> int:
    """Only whole spans go, so that none is in two."""
    whole = before.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    whole = whole.replace(hour=0) if coarse == DAY else whole
    return int(execute(connection, f"coarsen_{what}", fine=fine, coarse=coarse, before=whole, page=page)[0].n)


def _counted(connection: Connection, name: str, page: int) -> int:
    return int(execute(connection, name, page=page)[0].n) if _alone(connection) else 0


def _alone(connection: Connection) -> bool:
    return bool(execute(connection, "measure_alone")[0].mine)
