"""A run of another type: its items start again, in every campaign that has it, for nothing made of it so far stands."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from ..records import Record
from .campaigns import Pinned, load_pipeline
from .core import execute
from .pin import move_items

ELSEWHERE = "type-elsewhere"
"""Why items are held in a campaign whose pipeline has no such run type."""


class Retyped(Record):
    """How many items started again; in which other campaigns too, and in which they are held, by name."""

    moved: int
    also: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


def retype(connection: Connection, run: Row[Any], to: Pinned, kind: str, actor: str, reason: str) -> Retyped:
    """Start all items of a run again: those of its own campaign in another one, the others where they are.

    What was made gives way first, so that no item passes a step for what another has made under the old type. The
    items are locked before it, as who accepts results does.
    """
    statement = text("select id from item where run_id = :run_id order by id for no key update")
    connection.execute(statement, {"run_id": run.id})
    others = _others(connection, run)
    execute(connection, "supersede_run", run_id=run.id, reason=f"run reclassified to {kind}")
    moved = move_items(connection, run.id, run.campaign_id, to, kind, "", actor, reason)
    held = []
    for row in others:
        there = kind in load_pipeline(connection, row.pipeline_id).run_types
        pinned = Pinned(campaign_id=row.id, pipeline_id=row.pipeline_id, lane=row.lane)
        moved += move_items(connection, run.id, row.id, pinned, kind, "" if there else ELSEWHERE, actor, reason)
        if not there:
            held.append(row.name)
    also = tuple(row.name for row in others if row.name not in held)
    return Retyped(moved=moved, also=also, held=tuple(held))


def _others(connection: Connection, run: Row[Any]) -> Sequence[Row[Any]]:
    """Give the other campaigns that have the run."""
    statement = text(
        "select c.id, c.name, c.pipeline_id, c.lane from item i join campaign c on c.id = i.campaign_id "
        "where i.run_id = :run_id and i.scope = 'run' and i.campaign_id <> :own order by c.id"
    )
    return connection.execute(statement, {"run_id": run.id, "own": run.campaign_id}).all()
