"""Queues: what waits, is sent out and runs, by step and lane."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from ..schema import campaign, item, step_rule
from .counts import Count, totals
from .fields import View
from .processes import ProcessRow, processes


class QueueRow(View):
    """One step's lane. `ready` is kept by the campaign's lane; `workers` are those alive that take the step."""

    step: str
    lane: str
    ready: int
    submitted: int
    executing: int
    failed: int
    held: int
    workers: int


def queues(conn: Connection, counts: Sequence[Count] | None = None) -> tuple[QueueRow, ...]:
    """List the queues of all steps in the order of the pipelines; `counts` where they were asked for before."""
    counts = totals(conn, scope=("file", "run")) if counts is None else counts
    rules = conn.execute(
        select(campaign.c.id, campaign.c.lane, step_rule.c.state, step_rule.c.step, step_rule.c.scope)
        .join(step_rule, step_rule.c.pipeline_id == campaign.c.pipeline_id)
        .order_by(step_rule.c.rank, step_rule.c.step)
    ).all()
    places = {(row.id, row.scope, row.state): (row.step, row.lane) for row in rules}
    numbers: dict[tuple[str, str], dict[str, int]] = {(row.step, row.lane): {} for row in rules}
    for count in counts:
        place = places.get((count.campaign_id, count.scope, count.state))
        if place is not None:
            numbers[place][count.phase] = numbers[place].get(count.phase, 0) + count.n
    workers = processes(conn, role="worker", alive=True)
    return tuple(_made(place, found, workers) for place, found in numbers.items())


def takes(worker: ProcessRow, step: str) -> bool:
    """Say whether a worker takes a step; one that drains takes none, one that has not said which takes all."""
    if worker.detail.get("draining"):
        return False
    steps = worker.detail.get("steps") or ()
    return not steps or step in steps or "all" in steps


def ahead(conn: Connection, step: str, lane: str, priority: int, item_id: int, most: int) -> int:
    """Give how many ready items stand before this one in its queue, counted up to `most`."""
    before = (
        select(item.c.id)
        .where(item.c.phase == "ready", item.c.step == step, item.c.lane == lane)
        .where((item.c.priority < priority) | ((item.c.priority == priority) & (item.c.id < item_id)))
        .limit(most)
        .subquery()
    )
    return int(conn.execute(select(func.count()).select_from(before)).scalar_one())


def _made(place: tuple[str, str], numbers: dict[str, int], workers: Sequence[ProcessRow]) -> QueueRow:
    phases = {phase: numbers.get(phase, 0) for phase in ("ready", "submitted", "executing", "failed", "held")}
    step, lane = place
    return QueueRow(step=step, lane=lane, workers=sum(takes(worker, step) for worker in workers), **phases)
