"""What belongs to the file is made once: where two campaigns made it, the one accepted first stands for both.

It is decided before the items move, under the files' locks, so that the second one moves as what it is: a step
that found its work done.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from ..lifecycle import Trigger, sources
from .core import execute
from .fold import Said
from .folders import order_cleaning

_REASON = "another campaign made this for the file first; what this attempt made was not kept"


def give_way(connection: Connection, said: Sequence[Said]) -> list[Said]:
    """Give these results, in which no item appears twice; those that came second as skipped, without what they made.

    Their items go on with what stands; their folders are ordered removed. The items are locked by the caller.
    """
    made = [entry for entry in said if entry.outcome.products or entry.outcome.copies]
    rows = [{"item": item, "epoch": epoch, "owner": owner} for item, epoch, owner in (e.attempt for e in made)]
    execute(connection, "lock_shared", rows)
    found = execute(connection, "made_elsewhere", rows, sources=list(sources(Trigger.SUCCEED)))
    order_cleaning(connection, [(row.item, row.epoch, row.step, row.owner) for row in found])
    second = {(row.item, row.epoch, row.owner) for row in found}
    return [_skipped(entry) if entry.attempt in second else entry for entry in said]


def _skipped(entry: Said) -> Said:
    """What was read of the raw file is true whoever read it, and stays; what was made does not."""
    outcome = msgspec.structs.replace(
        entry.outcome, skipped=True, products=(), copies=(), salt=None, catalog=None, reason=_REASON
    )
    return Said(outcome=outcome, reporter=entry.reporter)
