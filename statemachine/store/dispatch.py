"""What goes out: ready items become descriptions of work, and are `submitted` once the broker has confirmed.

`ready` is the outbox. What is described here may be published again at any time with the same epoch, and is the
same each time: inputs, conditions and seed are pinned to the item and its epoch.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from blake3 import blake3
from sqlalchemy import Connection, Row, text

from ..lifecycle import Phase, Trigger, sources
from ..naming import run_name, work_folder
from ..pipeline import Pipeline, Step
from ..records import Checksums, Content, Events, Location, Record, Resources
from ..turns import Turns
from .campaigns import load_pipeline
from .core import Ready, execute
from .pauses import blocked_by_sites, paused, paused_sites


class Order(Record):
    """One item's work, described: the step, where to write, what to read. `problem` says why it cannot be done.

    A `suspect` was with a worker that died. What is `large` ran out of time or memory, and is to have more now.
    `ready_at`: since when it may be worked on, in this epoch.
    """

    item: int
    epoch: int
    step: Step
    lane: str
    campaign: str
    run: int
    kind: str
    name: str
    sequence: int | None
    folder: Location
    inputs: tuple[Content, ...] = ()
    seed: int = 0
    conditions: dict[str, Any] = {}
    resources: Resources = Resources()
    metadata: dict[str, Any] = {}
    problem: str = ""
    suspect: bool = False
    ready_at: datetime | None = None
    large: bool = False


def waiting(connection: Connection, step: str, lane: str, room: int, turns: Turns | None = None) -> list[Ready]:
    """Give what is ready and due for a step and lane, at most `room`; nothing where paused.

    In the live lane the oldest first. In the bulk lane campaigns take turns, by their weights, each with its oldest.
    """
    if room <= 0 or paused(connection, step, lane):
        return []
    blocked = blocked_by_sites(connection, paused_sites(connection), step)
    if lane == "bulk":
        rows = _shared(connection, step, room, blocked, turns or Turns())
    elif blocked:
        rows = execute(connection, "ready_items_elsewhere", blocked, step=step, lane=lane, room=room)
    else:
        rows = execute(connection, "ready_items", step=step, lane=lane, room=room)
    return [Ready(item=row.item, epoch=row.epoch, step=step, lane=lane) for row in rows]


def _shared(
    connection: Connection, step: str, room: int, blocked: list[dict[str, Any]], turns: Turns
) -> list[Row[Any]]:
    said = msgspec.json.encode(blocked).decode()
    of_campaigns: dict[int, deque[Row[Any]]] = {}
    for row in execute(connection, "ready_items_shared", step=step, room=room, blocked=said):
        of_campaigns.setdefault(row.campaign, deque()).append(row)
    waits = {campaign: len(rows) for campaign, rows in of_campaigns.items()}
    weights = {campaign: rows[0].weight for campaign, rows in of_campaigns.items()}
    return [of_campaigns[campaign].popleft() for campaign in turns.give(waits, weights, room)]


def still_ready(
    connection: Connection, step: str, lane: str, entries: Sequence[Ready], window: int
) -> tuple[list[Ready], int]:
    """Give those that nobody has sent, or moved otherwise, meanwhile, and whose campaign sends at present.

    And how many items of the step and lane there is room for, as `window_room` says. None goes where there is none.
    """
    wanted = [{"item": entry.item, "epoch": entry.epoch} for entry in entries]
    rows = execute(connection, "still_ready", wanted, step=step, lane=lane, window=window)
    found = {row.item for row in rows}
    return [entry for entry in entries if entry.item in found], window - rows[0].sent if rows else 0


def window_room(connection: Connection, step: str, lane: str, window: int) -> int:
    """Give how many more items of a step and lane may be with the broker. Counts at most a window."""
    statement = text(
        "select count(*) from (select from item where phase = 'submitted' and step = :step and lane = :lane "
        "limit :window) as sent"
    )
    sent = connection.execute(statement, {"step": step, "lane": lane, "window": window}).scalar_one()
    return window - int(sent)


def backlog(connection: Connection) -> set[tuple[str, str]]:
    """Give the (step, lane) pairs in which anything is ready and due."""
    rows = execute(connection, "lanes_in_phase", phase=Phase.READY)
    return {(row.step, row.lane) for row in rows}


def describe(connection: Connection, ready: Sequence[Ready]) -> list[Order]:
    """Describe the work of those items that are still ready, or submitted, in the named epoch."""
    rows = execute(connection, "items_to_send", [{"item": r.item, "epoch": r.epoch} for r in ready])
    if not rows:
        return []
    contents = _contents(connection, [row.file_id for row in rows if row.file_id is not None])
    orders = []
    for row in rows:
        pipeline = load_pipeline(connection, row.pipeline_id)
        step = pipeline.step(row.step)
        inputs = _inputs(connection, row, pipeline, step, contents)
        orders.append(_order(row, pipeline, step, inputs))
    return orders


def submit(connection: Connection, sent: Iterable[Ready], actor: str) -> int:
    """Ready -> submitted: the broker has confirmed these. Give how many changed (a report may be quicker)."""
    rows = [{"item": entry.item, "epoch": entry.epoch} for entry in sent]
    return len(execute(connection, "submit", rows, sources=list(sources(Trigger.SUBMIT)), actor=actor))


def _order(row: Row[Any], pipeline: Pipeline, step: Step, inputs: dict[str, tuple[Content, ...]]) -> Order:
    # A run-scope step that goes on without failed files has its say even where no file is left.
    bare = row.file_id is None and step.accepts_failed
    missing = [] if bare else [role for role, found in inputs.items() if not found]
    rules = pipeline.run_types.get(row.kind)
    conditions = dict(row.conditions)
    if step.makes == "copy" and rules is not None and rules.placed_when:
        conditions.setdefault("sites", list(rules.placed_when))
    return Order(
        item=row.id,
        epoch=row.epoch,
        step=step,
        lane=row.lane,
        campaign=row.campaign,
        run=row.number,
        kind=row.kind,
        name=row.name or run_name(row.number),
        sequence=row.sequence,
        folder=Location(site=step.site, path=work_folder(row.campaign, row.number, row.id, step.name)),
        inputs=tuple(content for found in inputs.values() for content in found),
        seed=seed_of(row.id, step.name),
        conditions=conditions,
        resources=_resources(step, row.request),
        metadata=row.metadata,
        problem=_problem(missing, row.file_id) if missing else "",
        suspect=row.suspect,
        ready_at=row.ready_at,
        large=bool(row.request),
    )


def seed_of(item: int, step: str) -> int:
    """Give a 63-bit number that is the same for every try at an item and step, different for any two items."""
    return int.from_bytes(blake3(f"{item}/{step}".encode()).digest(8), "big") >> 1


def _resources(step: Step, request: dict[str, Any]) -> Resources:
    """Say what an attempt may use. A step without a memory limit has none either when it asks for more: whoever takes
    large work has more, and that is all there is to give.
    """
    return Resources(
        cpus=step.cpus,
        memory=step.memory * int(request.get("memory", 1)),
        timeout_s=step.timeout_s * float(request.get("walltime", 1)),
    )


def _problem(missing: list[str], file_id: int | None) -> str:
    roles = ", ".join(missing)
    whose = "this file" if file_id is not None else "this run"
    return f"its input is gone: {whose} has no accepted {roles}; to make it again: headframe reset ... --to <state>"


def _inputs(
    connection: Connection,
    row: Row[Any],
    pipeline: Pipeline,
    step: Step,
    contents: dict[int, list[Row[Any]]],
) -> dict[str, tuple[Content, ...]]:
    found: dict[str, tuple[Content, ...]] = {}
    for role in pipeline.inputs(step, row.kind):
        if row.file_id is None:
            rows = execute(connection, "run_contents", run_id=row.run_id, campaign_id=row.campaign_id, role=role)
            found[role] = tuple(_content(entry) for entry in _best(rows, step.site))
        else:
            mine = [
                entry
                for entry in contents.get(row.file_id, ())
                if entry.role == role and entry.campaign_id in (None, row.campaign_id)
            ]
            found[role] = tuple(_content(entry) for entry in _best(mine, step.site))
    return found


def _best(rows: Iterable[Row[Any]], site: str) -> list[Row[Any]]:
    """Keep one replica a content: at the wanted site if there is one, else the newest copy; at a paused site last."""
    best: dict[tuple[Any, Any], Row[Any]] = {}
    for row in sorted(rows, key=lambda r: (r.avoided, r.site != site, not r.copied, r.replica_id)):
        best.setdefault((row.file_id, row.product_id), row)
    return sorted(best.values(), key=lambda r: (r.sequence or 0, r.product_id or 0))


def _contents(connection: Connection, files: list[int]) -> dict[int, list[Row[Any]]]:
    by_file: dict[int, list[Row[Any]]] = {}
    if files:
        for row in execute(connection, "file_contents", ids=files):
            by_file.setdefault(row.file_id, []).append(row)
    return by_file


def _content(row: Row[Any]) -> Content:
    sums = Checksums(adler32=row.adler32, blake3=row.blake3) if row.blake3 else None
    events = None
    if row.event_first is not None:
        events = Events(first=row.event_first, last=row.event_last, count=row.events or 0)
    return Content(
        role=row.role,
        location=Location(site=row.site, path=row.path),
        name=row.name,
        size=row.size,
        checksums=sums,
        product=row.product_id,
        mtime_ns=row.mtime_ns,
        events=events,
        file=row.file_id,
        sequence=row.sequence,
    )


def begin_sending(connection: Connection, step: str, lane: str) -> bool | None:
    """Take a lane's lock to send what is new; False if another has it, none where a pause keeps something back."""
    mine: bool | None = execute(connection, "begin_sending", step=step, lane=lane)[0].mine
    return mine


def lock_lane(connection: Connection, step: str, lane: str, task: str = "refill") -> bool:
    """Become the only one at a task for a step and lane until this transaction ends; False if another is at it."""
    statement = text("select pg_try_advisory_xact_lock(hashtext(current_schema() || :task), hashtext(:lane))")
    return bool(connection.execute(statement, {"task": f".{task}", "lane": f"{step}.{lane}"}).scalar_one())
