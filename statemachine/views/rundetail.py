"""One run with all that is known of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, union_all

from ..schema import campaign, file, item, product, replica, run_operation, step_rule
from ..schema import run as run_table
from .deadletters import DeadLetterRow, dead_letters_about
from .fields import View
from .filedetail import (
    Dropped,
    HistoryRow,
    ProductRow,
    ReplicaRow,
    dropped,
    history,
    products_of,
    replicas_of,
    without_beginning,
)
from .files import TROUBLE
from .gaps import Gaps, came
from .notes import NoteRow, notes
from .paging import Page
from .runs import RunRow, counted, selected


class ReasonCount(View):
    """So many files of a run in one phase for one reason, with the name and the text of the first of them.

    `since` is when the first of them came into this trouble. `item` and `epoch` are that of `example`: its attempt
    has the log.
    """

    phase: str
    step: str
    reason_code: str
    n: int
    example: str
    reason: str
    since: datetime
    item: int
    epoch: int


class Operation(View):
    """What an operator did to a run."""

    at: datetime
    actor: str
    operation: str
    reason: str
    before: dict[str, Any]
    after: dict[str, Any]


class RunDetail(View):
    """One run. `last_file_at` is when its newest file came; `steps` are the pipeline's, in order.

    `accepts_failed`: its run-scope steps go on without the files that failed. `judged` is who said last how good its
    data are; `notes` are the newest 100.
    """

    row: RunRow
    identity: str | None
    first_sequence: int | None
    closed_by: str
    known_kind: bool
    source: str
    metadata: dict[str, Any]
    states: tuple[str, ...]
    steps: tuple[str, ...]
    accepts_failed: bool
    last_file_at: datetime | None
    gaps: Gaps
    reasons: tuple[ReasonCount, ...]
    history: tuple[HistoryRow, ...]
    dropped: tuple[Dropped, ...]
    operations: tuple[Operation, ...]
    judged: Operation | None
    notes: tuple[NoteRow, ...]
    products: tuple[ProductRow, ...]
    replicas: tuple[ReplicaRow, ...]
    dead_letters: tuple[DeadLetterRow, ...]


def run(conn: Connection, number: int) -> RunDetail | None:
    """Give one run by its number; `products` and `replicas` are those of run-scope steps."""
    names = ("identity", "first_sequence", "closed_by", "known_kind", "source", "metadata")
    wanted = selected().add_columns(*(run_table.c[name] for name in names))
    row = conn.execute(wanted.where(run_table.c.number == number)).first()
    if row is None:
        return None
    shown = counted(conn, [row], Page(limit=1)).rows[0]
    come = came(conn, row, complete=shown.expected is not None and shown.registered == shown.expected)
    own = [shown.item] if shown.item is not None else []
    states, steps, accepts_failed = _pipeline(conn, row.campaign_id)
    done = _operations(conn, row.id)
    changes = history(conn, own, 200)
    return RunDetail(
        row=shown,
        **{name: row._mapping[name] for name in names},
        states=states,
        steps=steps,
        accepts_failed=accepts_failed,
        last_file_at=come.last_file_at,
        gaps=come.gaps,
        reasons=_reasons(conn, row, shown.phases),
        history=changes,
        dropped=dropped(conn, without_beginning(own, changes)),
        operations=done,
        judged=next((each for each in done if each.operation == "quality"), None),
        notes=notes(conn, number, Page(limit=100)).rows,
        products=products_of(conn, product.c.run_id == row.id, product.c.file_id.is_(None)),
        replicas=replicas_of(conn, replica.c.run_id == row.id, replica.c.file_id.is_(None)),
        dead_letters=dead_letters_about(conn, run=number),
    )


def _reasons(conn: Connection, row: Any, phases: dict[str, int]) -> tuple[ReasonCount, ...]:
    """Group what is troubled or being tried again by why; nothing is asked where the counts have none of it."""
    parts = []
    if any(phases.get(phase) for phase in TROUBLE):
        parts.append(_grouped(row, item.c.phase.in_(TROUBLE)))
    if phases.get("ready"):
        parts.append(_grouped(row, item.c.phase == "ready", item.c.not_before.is_not(None)))
    if not parts:
        return ()
    groups = union_all(*parts).subquery("groups")
    first = item.alias("first")
    wanted = (
        select(
            *(groups.c[name] for name in ("phase", "step", "reason_code", "n", "since")),
            file.c.name.label("example"),
            first.c.reason,
            first.c.id.label("item"),
            first.c.epoch,
        )
        .join(first, first.c.id == groups.c.first)
        .join(file, file.c.id == first.c.file_id)
        .order_by(groups.c.n.desc(), groups.c.phase, groups.c.reason_code)
    )
    return tuple(ReasonCount(**found._mapping) for found in conn.execute(wanted))


def _grouped(row: Any, *which: ColumnElement[bool]) -> Select[Any]:
    step = func.coalesce(item.c.step, "").label("step")
    grouped = (item.c.phase, step, item.c.reason_code)
    of_run = (item.c.run_id == row.id, item.c.campaign_id == row.campaign_id, item.c.file_id.is_not(None))
    since = func.min(func.coalesce(item.c.trouble_since, item.c.since))
    counted = select(*grouped, func.count().label("n"), func.min(item.c.id).label("first"), since.label("since"))
    return counted.where(*of_run, *which).group_by(*grouped)


def _operations(conn: Connection, run_id: int) -> tuple[Operation, ...]:
    names = Operation.__struct_fields__
    wanted = select(*(run_operation.c[name] for name in names)).where(run_operation.c.run_id == run_id)
    return tuple(
        Operation(**row._mapping) for row in conn.execute(wanted.order_by(run_operation.c.id.desc()).limit(100))
    )


def _pipeline(conn: Connection, campaign_id: int | None) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    rule = step_rule.c
    wanted = (
        select(rule.state, rule.to_state, rule.step, rule.scope, rule.accepts_failed)
        .join(campaign, campaign.c.pipeline_id == step_rule.c.pipeline_id)
        .where(campaign.c.id == campaign_id)
        .order_by(step_rule.c.rank)
    )
    rows = conn.execute(wanted).all()
    states = (*(row.state for row in rows[:1]), *(row.to_state for row in rows))
    accepts_failed = next((row.accepts_failed for row in rows if row.scope == "run"), False)
    return states, tuple(row.step for row in rows), accepts_failed
