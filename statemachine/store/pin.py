"""Runs come into being and pin their pipeline: at the first file or the first word of the run database."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from ..records import Record
from .campaigns import Book, Pinned, realtime_campaign
from .core import execute, ready_of
from .folders import Taken, order_cleaning
from .quiet import quietly

LARGEST_RUN = 2**63 - 1


class RunRow(Record):
    """A run as the store needs it while arrivals are registered.

    `reclassified`: an operator has said what type it is, whatever its files' names say.
    """

    id: int
    number: int
    kind: str | None
    known_kind: bool
    campaign_id: int
    closed: bool = False
    reclassified: bool = False


def pin_runs(
    connection: Connection, kinds: dict[int, str | None], book: Book, *, held: bool = False
) -> dict[int, RunRow]:
    """Make the runs that are missing, learn the types that were unknown, pin pipelines; give all, by number.

    `held`: the caller holds them (`hold_runs`).
    """
    if not held:
        hold_runs(connection, kinds)
    rows = connection.execute(
        text(_RUNS),
        {"numbers": sorted(kinds)},
    ).all()
    pinned: dict[int, RunRow] = {}
    for row in rows:
        if row.campaign_id is not None and (row.kind is not None or kinds[row.number] is None):
            pinned[row.number] = RunRow(**row._mapping)
        else:
            kind = row.kind or kinds[row.number]
            pinned[row.number] = _pin(connection, row, kind, book)
    return pinned


_RUNS = """
select id, number, kind, known_kind, campaign_id, closed_at is not null as closed,
  exists (select from run_operation o where o.run_id = run.id and o.operation = 'reclassify') as reclassified
from run where number = any(:numbers) order by id
"""


def hold_runs(connection: Connection, numbers: Iterable[int]) -> set[int]:
    """Make the runs that are missing and lock all, in id order; give the numbers of those whose type is unknown.

    Numbers that no run can have are left out.
    """
    wanted = sorted({number for number in numbers if 0 <= number <= LARGEST_RUN})
    if not wanted:
        return set()
    rows = _hold(connection, wanted)
    if not rows:
        statement = text("insert into run (number) select unnest(cast(:numbers as bigint[])) on conflict do nothing")
        connection.execute(statement, {"numbers": wanted})
        rows = _hold(connection, wanted)
    return {row.number for row in rows if row.kind is None}


def _hold(connection: Connection, numbers: list[int]) -> Sequence[Row[Any]]:
    return execute(connection, "hold_runs", numbers=numbers)


def items_to_pin(connection: Connection, numbers: Iterable[int]) -> list[int]:
    """Give the items that start again once these runs' types are learned. For locking: the runs are held."""
    wanted = sorted({number for number in numbers if 0 <= number <= LARGEST_RUN})
    if not wanted:
        return []
    statement = text(
        "select i.id from run join item i on i.run_id = run.id and i.campaign_id = run.campaign_id "
        "where run.number = any(:numbers) and run.kind is null"
    )
    return list(connection.execute(statement, {"numbers": wanted}).scalars())


def _pin(connection: Connection, run: Row[Any], kind: str | None, book: Book) -> RunRow:
    pinned = realtime_campaign(connection, book.pipeline_for(kind), book.period, run.number)
    known = book.known(kind)
    connection.execute(
        text(
            "update run set kind = :kind, known_kind = :known, campaign_id = :campaign, version = version + 1 "
            "where id = :id"
        ),
        {"kind": kind, "known": known, "campaign": pinned.campaign_id, "id": run.id},
    )
    if run.campaign_id is None:
        row = {"run_id": run.id, "file_id": None, "scope": "run", "campaign_id": pinned.campaign_id}
        execute(connection, "insert_items", [row], actor="conductor")
    else:
        held_as = "" if known else "run-type-unknown"
        move_items(connection, run.id, run.campaign_id, pinned, kind, held_as, "conductor", f"run type is {kind}")
    learned = {"kind": kind, "known_kind": known, "campaign_id": pinned.campaign_id}
    return RunRow(**{**run._mapping, **learned})


def move_items(
    connection: Connection,
    run_id: int,
    campaign_id: int,
    to: Pinned,
    kind: str | None,
    held_as: str,
    actor: str,
    reason: str,
) -> int:
    """Start every item of a run in one campaign again, under another type; give how many moved.

    With `held_as`, a reason code, they are held at their start.

    Running attempts end and their folders are ordered away; what the new type bypasses is passed at once.
    """
    taken = _running(connection, run_id, campaign_id)
    order_cleaning(connection, taken)
    rows = execute(
        connection,
        "reclassify",
        run_id=run_id,
        campaign_id=campaign_id,
        to_campaign_id=to.campaign_id,
        to_pipeline_id=to.pipeline_id,
        kind=kind or "",
        lane=to.lane,
        held_as=held_as,
        actor=actor,
        reason=reason,
    )
    ended = [
        {
            "item": row.item,
            "epoch": row.epoch,
            "outcome": "cancelled",
            "reason_code": "reclassified",
            "reason": reason,
        }
        for row in rows
    ]
    execute(connection, "end_attempts", ended)
    quietly(connection, ready_of(rows))
    return len(rows)


def _running(connection: Connection, run_id: int, campaign_id: int) -> list[Taken]:
    """Lock a run's items; give the attempts that run, while the folders still go by this campaign's name."""
    statement = text(
        "select id, epoch, step, owner from item where run_id = :run_id and campaign_id = :campaign_id "
        "order by id for no key update"
    )
    rows = connection.execute(statement, {"run_id": run_id, "campaign_id": campaign_id})
    return [(row.id, row.epoch, row.step, row.owner) for row in rows if row.owner is not None]
