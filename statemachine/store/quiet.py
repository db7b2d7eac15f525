"""Steps that need no work: bypassed by the run type, or done for the file in another campaign already."""

from collections.abc import Collection

from sqlalchemy import Connection

from .core import Ready, execute, ready_of


def quietly(connection: Connection, ready: list[Ready], passable: Collection[int] | None = None) -> list[Ready]:
    """Take ready items past the steps that need no work; give what is ready for work now.

    `passable` are the items of which that is possible at all; without it, all are asked.
    """
    final = {entry.item: entry for entry in ready}
    moving = [item for item in final if passable is None or item in passable]
    while moving:
        rows = execute(connection, "advance_quietly", ids=moving)
        for row in rows:
            final.pop(row.item, None)
        for entry in ready_of(rows):
            final[entry.item] = entry
        moving = [row.item for row in rows if row.phase == "ready"]
    return list(final.values())
