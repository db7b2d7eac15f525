"""Queues: what waits, is sent out and runs, by step and lane."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, text

from ..lanes import LANES
from ..schema import campaign, item, step_rule
from .counts import Count, totals
from .fields import View
from .processes import ProcessRow, processes

MOST_COUNTED = 10_000
IN_LANE = text("""
select s.step,
  (select count(*) from (select from item i where i.phase = 'ready' and i.step = s.step and i.lane = :lane
    limit :most) r) as ready,
  (select count(*) from (select from item i where i.phase = 'submitted' and i.step = s.step and i.lane = :lane
    limit :most) t) as submitted,
  coalesce(e.n, 0) as executing
from unnest(cast(:steps as text[])) with ordinality as s(step, place)
left join (select step, count(*) as n from item where phase = 'executing' and lane = :lane group by step) e
  on e.step = s.step
order by s.place
""")


class QueueRow(View):
    """One step's lane. What is failed or held counts in its campaign's lane; `workers` are those alive that take the
    step in this lane.
    """

    step: str
    lane: str
    ready: int
    submitted: int
    executing: int
    failed: int
    held: int
    workers: int


def queues(
    conn: Connection, counts: Sequence[Count] | None = None, workers: Sequence[ProcessRow] | None = None
) -> tuple[QueueRow, ...]:
    """List the queues of all steps in the order of the pipelines.

    `counts`, and the workers that are alive, where they were asked for before.
    """
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
    _move_bulk(conn, numbers)
    workers = processes(conn, role="worker", alive=True) if workers is None else workers
    return tuple(_made(place, found, workers) for place, found in numbers.items())


def takes(worker: ProcessRow, step: str, lane: str = "") -> bool:
    """Say whether a worker takes a step, in a lane; one that drains takes none, one that has not said so takes all."""
    if worker.detail.get("draining"):
        return False
    steps, lanes = worker.detail.get("steps") or (), worker.detail.get("lanes") or ()
    return (not steps or step in steps or "all" in steps) and (not lanes or not lane or lane in lanes)


def _move_bulk(conn: Connection, numbers: dict[tuple[str, str], dict[str, int]]) -> None:
    """Count in the bulk lane what is there, whatever its campaign's lane: operators move items between the lanes.

    One lane is counted, up to `MOST_COUNTED`, and the other has the rest: the bulk one, or the live one if it is short.
    """
    steps = list(dict.fromkeys(step for step, _ in numbers))
    for step, bulk in _in_lane(conn, "bulk", steps).items():
        if not any(bulk.values()) and (step, "bulk") not in numbers:
            continue
        live = _in_lane(conn, "live", [step])[step] if MOST_COUNTED in bulk.values() else {}
        for phase, n in bulk.items():
            both = sum(numbers.get((step, lane), {}).get(phase, 0) for lane in LANES)
            in_bulk = n if n < MOST_COUNTED or live[phase] >= MOST_COUNTED else max(0, both - live[phase])
            numbers.setdefault((step, "bulk"), {})[phase] = in_bulk
            if (step, "live") in numbers:
                numbers[step, "live"][phase] = max(0, both - in_bulk)


def _in_lane(conn: Connection, lane: str, steps: Sequence[str]) -> dict[str, dict[str, int]]:
    rows = conn.execute(IN_LANE, {"lane": lane, "steps": list(steps), "most": MOST_COUNTED})
    return {row.step: {phase: getattr(row, phase) for phase in ("ready", "submitted", "executing")} for row in rows}


def ahead(conn: Connection, step: str, lane: str, priority: int, item_id: int, most: int) -> int:
    """Give how many ready items stand before this one in its queue, counted up to `most`.

    In the bulk lane campaigns take turns: only those of its own stand before it.
    """
    before = (
        select(item.c.id)
        .where(item.c.phase == "ready", item.c.step == step, item.c.lane == lane)
        .where((item.c.priority < priority) | ((item.c.priority == priority) & (item.c.id < item_id)))
    )
    if lane == "bulk":
        own = item.alias("own")
        before = before.where(
            item.c.campaign_id == select(own.c.campaign_id).where(own.c.id == item_id).scalar_subquery()
        )
    return int(conn.execute(select(func.count()).select_from(before.limit(most).subquery())).scalar_one())


def _made(place: tuple[str, str], numbers: dict[str, int], workers: Sequence[ProcessRow]) -> QueueRow:
    phases = {phase: numbers.get(phase, 0) for phase in ("ready", "submitted", "executing", "failed", "held")}
    step, lane = place
    taking = sum(takes(worker, step, lane) for worker in workers)
    return QueueRow(step=step, lane=lane, workers=taking, **phases)
