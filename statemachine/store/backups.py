"""What is written down of backups, and what a restored schema needs before anything may work on it again."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, func, select, text

from ..queries import query
from ..records import Record
from ..schema import metadata
from .core import execute
from .folders import order_cleaning
from .sweep import next_partitions

COUNTED = ("run", "file", "item", "history", "product", "replica", "attempt", "dead_letter", "person")

UNFINISHED = "a restore of it is under way, or was killed, and then headframe restore is to be said again"
"""The comment on a schema that is not restored wholly yet."""


class Made(Record):
    """A complete backup: where its manifest lies, on which host, made by whom and by which version."""

    started: datetime
    ended: datetime
    place: str
    host: str
    actor: str
    version: str
    blake3: str
    size: int


def moment(connection: Connection) -> datetime:
    """Give what the database's clock says."""
    return cast("datetime", connection.execute(text("select clock_timestamp()")).scalar_one())


def take_your_time(connection: Connection) -> None:
    """Let this transaction last for as long as it takes."""
    execute(connection, "take_your_time")


def goes_back(connection: Connection) -> tuple[datetime, datetime] | None:
    """Give what the database's clock says and its latest change, if that is later: numbers are made of the clock."""
    found = execute(connection, "last_moment")[0]
    return (found.now, found.last) if found.last is not None and found.last > found.now else None


def note(connection: Connection, made: Made) -> None:
    """Write down that a backup is complete. A schema from before there were any has no place for it."""
    if connection.execute(text("select to_regclass('backup')")).scalar_one() is None:
        return
    execute(connection, "note_backup", **{name: getattr(made, name) for name in Made.__struct_fields__})


def revision(connection: Connection) -> str | None:
    """Give the schema's revision; none where there is no schema, or none that is whole."""
    if connection.execute(text("select to_regclass('alembic_version')")).scalar_one() is None:
        return None
    found = execute(connection, "last_revision")
    return str(found[0].version_num) if found else None


def counted(connection: Connection) -> dict[str, int]:
    """Count the rows of a few tables."""
    return {name: rows(connection, name) for name in COUNTED}


def rows(connection: Connection, table: str) -> int:
    """Count the rows of a table."""
    return int(connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one())


def left_aside(connection: Connection, instance: str) -> tuple[str, ...]:
    """Give the schemas that a restore put aside and neither dropped nor put back: it was killed, or is under way."""
    found = connection.execute(query("schemas_aside"), {"pattern": f"^{instance}_before_[0-9]+$"})
    return tuple(found.scalars())


def unfinished(connection: Connection, instance: str) -> bool:
    """Say whether a schema is what a restore that was killed, or is under way, has brought in so far."""
    return connection.execute(query("schema_comment"), {"name": instance}).scalar() == UNFINISHED


class Restored(Record):
    """What was done to a restored schema: where epochs go on, items, attempts that ran when the backup was taken."""

    floor: int
    items: int
    attempts: int


def restored(connection: Connection, made: Made, revision: str, actor: str) -> Restored:
    """Make a schema that pg_restore brought in fit for work. At the end of this transaction it has its revision."""
    next_partitions(connection)
    did = begin_again(connection, f"restored from the backup of {made.started:%Y-%m-%d %H:%M:%S} UTC", actor)
    note(connection, made)
    execute(connection, "begin_revision", revision=revision)
    return did


def begin_again(connection: Connection, reason: str, actor: str) -> Restored:
    """Make a database that went back in time safe to work on, however it went back.

    It knows nothing of what happened after that moment, but workers, queues and folders do. So no number that was given
    out then is given out again: each item gets an epoch, and each table goes on with ids, far above.
    """
    take_your_time(connection)
    floor = int(execute(connection, "restored_number")[0].floor)
    execute(connection, "restore_sequences", floor=floor)
    taken = execute(connection, "restored_attempts", reason=reason)
    items = _restore_items(connection, floor, actor, reason)
    order_cleaning(connection, [(row.item, row.epoch, row.step, row.owner) for row in taken if row.owner])
    execute(connection, "restored_operations", reason=f"{reason}; order it again")
    for name in ("forget_all_changes", "forget_processes", "forget_watermarks", "forget_all_depths", "forget_sessions"):
        execute(connection, name)
    said: dict[str, Any] = {"actor": actor, "action": "restore", "selection": "{}", "reason": reason}
    connection.execute(query("note_operation"), {**said, "total": items, "changed": items})
    return Restored(floor=floor, items=items, attempts=len(taken))


def _restore_items(connection: Connection, floor: int, actor: str, reason: str) -> int:
    values = {"floor": floor, "actor": actor, "reason": reason}
    return int(connection.execute(query("restore_items"), values).rowcount)
