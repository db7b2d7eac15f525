"""What operators do to items: select exactly, act on what is still as selected, write down who and why."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, text

from ..lanes import LANES
from ..lifecycle import Phase, Trigger, sources
from ..records import Record
from .accept import retire
from .core import execute, lock_items, notify, ready_of
from .errors import NotFoundError, RefusedError
from .folders import order_cleaning
from .gather import gather, lock_runs, rewind
from .quiet import quietly

PAGE = 1000
MANY = 1000
"""From more items on, they go on in the bulk lane unless somebody wants otherwise, and their pages are paced."""
SHOWN = 10
TARGETS = {
    Trigger.RESOLVE: Phase.READY,
    Trigger.HOLD: Phase.HELD,
    Trigger.CANCEL: Phase.HELD,
    Trigger.RELEASE: Phase.READY,
    Trigger.ABANDON: Phase.ABANDONED,
    Trigger.RECOVER: Phase.READY,
}


class Selection(Record):
    """Which items: every condition that is set must hold. `files` are names, paths, `run/sequence` or numbers;
    `file_ids` are their numbers once found."""

    runs: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    campaign: str | None = None
    state: str | None = None
    phase: str | None = None
    kind: str | None = None
    step: str | None = None
    reason_code: str | None = None
    scope: str | None = None
    file_ids: tuple[int, ...] = ()


class Operated(Record):
    """What an action did: how many items it met, how many it changed, the first few of them by name; the lane into
    which it moved them, none where each stayed in its own."""

    total: int
    changed: int
    names: tuple[str, ...] = ()
    lane: str | None = None


def lane_for(trigger: Trigger, total: int, asked: str | None = None) -> str | None:
    """Say in which lane items go on: the one asked for, bulk where they are many; none: each in its own."""
    goes_on = trigger is Trigger.RESET or TARGETS.get(trigger) is Phase.READY
    return "bulk" if asked is None and goes_on and total > MANY else asked


def count(connection: Connection, trigger: Trigger, selection: Selection, *, state: str | None = None) -> int:
    """Give the exact number of items on which a trigger is legal now: the dry run."""
    where, values = _where(trigger, check(connection, selection), state)
    return int(connection.execute(text(f"select count(*) {_FROM} where {where}"), values).scalar_one())


def operate(
    engine: Engine,
    trigger: Trigger,
    selection: Selection,
    *,
    actor: str,
    reason: str,
    state: str | None = None,
    lane: str | None = None,
    idempotency_key: str | None = None,
    new_content: bool = False,
    progress: Callable[[int], None] | None = None,
    rest: Callable[[float], object] = time.sleep,
) -> Operated:
    """Act on a selection in pages of 1,000 that each commit. The same idempotency key acts once.

    Many items go on in the bulk lane unless `lane` says otherwise, and after each page it rests as long as that took,
    so that they are admitted at a bounded rate, with time for live data in between.
    What was begun with the key and not finished goes on where it stopped. How far an action is stands in its row,
    which each page locks: two processes at one action share its pages. Raises `RefusedError`, `NotFoundError`.
    """
    if not reason.strip():
        raise RefusedError("an operator's action needs a reason")
    if lane is not None and lane not in LANES:
        raise RefusedError(f"there is no lane {lane}; give one of {', '.join(LANES)}")
    with engine.begin() as connection:
        if new_content and trigger is Trigger.RESET:
            _check_first(connection, state)
        total = count(connection, trigger, selection, state=state)
        selection = check(connection, selection)
        what = {**msgspec.to_builtins(selection), "to_state": state, "lane": lane, "new_content": new_content}
        lane = lane_for(trigger, total, lane)
        job, lane = _begin(connection, trigger, what, lane, actor, reason, idempotency_key, total)
    page = _Page(trigger, selection, actor, reason, state, lane, new_content)
    names: list[int] = []
    while True:
        began = time.monotonic()
        with engine.begin() as connection:
            at = connection.execute(text(_LOCK), {"id": job}).one()
            if at.status == "done":
                return Operated(total=at.total, changed=at.changed, names=_names(engine, names), lane=lane)
            rows, last = page.run(connection, at.after)
            names += [row.item for row in rows[: SHOWN - len(names)]]
            changed = at.changed + len(rows)
            connection.execute(text(_PROGRESS), {"id": job, "changed": changed, "after": last})
        with engine.begin() as connection:
            gather(connection, {(row.run_id, row.campaign_id) for row in rows})
            notify(connection, trigger)
        if progress is not None:
            progress(changed)
        if last is None:
            return Operated(total=at.total, changed=changed, names=_names(engine, names), lane=lane)
        if at.total > MANY:
            rest(time.monotonic() - began)


class _Page:
    """One action, applied a page at a time in id order."""

    def __init__(
        self,
        trigger: Trigger,
        selection: Selection,
        actor: str,
        reason: str,
        state: str | None,
        lane: str | None,
        new_content: bool,
    ) -> None:
        self.trigger, self.state, self.new_content = trigger, state, new_content
        self.where, self.values = _where(trigger, selection, state)
        self.change = {"actor": actor, "reason": reason, "reason_code": f"operator-{trigger}", "lane": lane}

    def run(self, connection: Connection, after: int) -> tuple[list[Row[Any]], int | None]:
        """Change the next page; give the changed rows and the last id seen, none at the end."""
        statement = text(
            f"select i.id, i.version, i.run_id {_FROM} where {self.where} and i.id > :after order by i.id limit {PAGE}"
        )
        found = connection.execute(statement, {**self.values, "after": after}).all()
        lock_runs(connection, (row.run_id for row in found))
        lock_items(connection, (row.id for row in found))
        rows = self._change(connection, [{"item": row.id, "version": row.version} for row in found])
        rewind(connection, (row.run_id for row in rows))
        execute(connection, "pin_left_out", ids=[row.item for row in rows if row.phase == Phase.READY])
        self._end(connection, rows)
        quietly(connection, ready_of(rows))
        return rows, (found[-1].id if len(found) == PAGE else None)

    def _change(self, connection: Connection, wanted: list[dict[str, int]]) -> list[Row[Any]]:
        allowed = list(sources(self.trigger))
        if self.trigger is not Trigger.RESET:
            target = str(TARGETS[self.trigger])
            return execute(
                connection,
                "operate",
                wanted,
                sources=allowed,
                target=target,
                trigger=str(self.trigger),
                **self.change,
            )
        if self.new_content:
            execute(connection, "take_new_content", wanted)
        rows = execute(connection, "reset", wanted, sources=allowed, state=self.state, **self.change)
        ids = [row.item for row in rows]
        retire(connection, execute(connection, "supersede_after", ids=ids, reason=self.change["reason"]))
        execute(connection, "retire_copies_after", ids=ids)
        return rows

    def _end(self, connection: Connection, rows: list[Row[Any]]) -> None:
        taken = [row for row in rows if row.owner]
        ended = [
            {
                "item": row.item,
                "epoch": row.epoch,
                "outcome": "cancelled",
                "reason_code": self.change["reason_code"],
                "reason": self.change["reason"],
            }
            for row in taken
        ]
        execute(connection, "end_attempts", ended)
        order_cleaning(connection, [(row.item, row.epoch, row.step, row.owner) for row in taken])


def check(connection: Connection, selection: Selection) -> Selection:
    """Give the selection with its files as numbers. Refuses one that names nothing, or what does not exist."""
    if not any(getattr(selection, field) for field in selection.__struct_fields__ if field != "scope"):
        raise RefusedError("nothing is selected; name a run, files, or a filter")
    statement = text("select number from run where number = any(:numbers)")
    there = set(connection.execute(statement, {"numbers": list(selection.runs)}).scalars())
    for number in selection.runs:
        if number not in there:
            raise NotFoundError(f"there is no run {number}")
    found = tuple(find_file(connection, name, selection.runs) for name in selection.files)
    return msgspec.structs.replace(selection, file_ids=found)


def find_file(connection: Connection, name: str, runs: tuple[int, ...] = ()) -> int:
    """Give a file's number by its name, path, `run/sequence` or number. Raises where it is none, or several."""
    run, _, sequence = name.partition("/")
    values: dict[str, Any] = {
        "called": name,
        "run": int(run) if run.isdigit() and sequence.isdigit() else None,
        "sequence": int(sequence) if run.isdigit() and sequence.isdigit() else None,
        "id": int(name) if name.isdigit() else None,
        "runs": list(runs),
    }
    rows = execute(connection, "find_file", **values)
    if not rows:
        raise NotFoundError(f"there is no file {name}")
    if len(rows) > 1:
        numbers = ", ".join(str(row.number) for row in rows)
        raise RefusedError(f"there are {len(rows)} files {name}, in runs {numbers}; name the run too")
    return int(rows[0].id)


_FROM = (
    "from item i join run on run.id = i.run_id join campaign c on c.id = i.campaign_id "
    "left join file f on f.id = i.file_id"
)
_CONDITIONS = {
    "runs": "run.number = any(:runs)",
    "file_ids": "i.file_id = any(:file_ids)",
    "campaign": "c.name = :campaign",
    "state": "i.state = :at_state",
    "phase": "i.phase = :phase",
    "kind": "i.kind = :kind",
    "step": "i.step = :step",
    "reason_code": "i.reason_code = :reason_code",
    "scope": "i.scope = :scope",
}


def _where(trigger: Trigger, selection: Selection, state: str | None) -> tuple[str, dict[str, Any]]:
    parts = ["i.phase = any(:sources)"]
    values: dict[str, Any] = {"sources": list(sources(trigger))}
    names = {"state": "at_state"}
    for field, condition in _CONDITIONS.items():
        value = getattr(selection, field)
        if value:
            parts.append(condition)
            values[names.get(field, field)] = list(value) if isinstance(value, tuple) else value
    if TARGETS.get(trigger) is Phase.READY or trigger is Trigger.RESET:
        parts.append("run.known_kind")
    if trigger is Trigger.RESET:
        parts.append(_RESETTABLE)
        values["state"] = state
    return " and ".join(parts), values


_RESETTABLE = """exists (select from step_rule s left join step_rule p
  on p.pipeline_id = i.pipeline_id and p.state = i.state
  where s.pipeline_id = i.pipeline_id and s.state = :state and s.scope = i.scope
  and s.rank <= coalesce(p.rank, 1000000))"""


def _begin(
    connection: Connection,
    trigger: Trigger,
    what: dict[str, Any],
    lane: str | None,
    actor: str,
    reason: str,
    key: str | None,
    total: int,
) -> tuple[int, str | None]:
    """Write an action down and give its number and lane, or those of the one that was begun with this key."""
    said = msgspec.json.encode(what).decode()
    made = connection.execute(
        text(
            "insert into operation (actor, action, selection, reason, idempotency_key, total) "
            "values (:actor, :action, cast(:selection as jsonb) || jsonb_build_object('goes_on', cast(:lane as text)), "
            ":reason, :key, :total) "
            "on conflict (idempotency_key) do nothing returning id"
        ),
        {
            "actor": actor,
            "action": str(trigger),
            "selection": said,
            "lane": lane,
            "reason": reason,
            "key": key,
            "total": total,
        },
    ).scalar()
    if made is not None:
        return int(made), lane
    row = connection.execute(text(_EARLIER), {"key": key, "action": str(trigger), "selection": said}).one()
    if not row.same:
        raise RefusedError(f"the idempotency key {key} stands for another action, of {row.at:%Y-%m-%d}; take a new one")
    return int(row.id), row.goes_on


def _check_first(connection: Connection, state: str | None) -> None:
    """Refuse new content behind a step that would not see it: it would go on unsalted beside what the old one made."""
    ranks = connection.execute(text("select distinct rank from step_rule where state = :state"), {"state": state})
    if set(ranks.scalars()) != {0}:
        first = connection.execute(text("select distinct state from step_rule where rank = 0 order by state")).scalars()
        raise RefusedError(f"new content starts at the first state: reset --new-content --to {' or '.join(first)}")


def _names(engine: Engine, items: list[int]) -> tuple[str, ...]:
    statement = text(
        "select coalesce(f.name, 'run ' || run.number) as name from item i join run on run.id = i.run_id "
        "left join file f on f.id = i.file_id where i.id = any(:ids) order by i.id"
    )
    with engine.connect() as connection:
        return tuple(connection.execute(statement, {"ids": items}).scalars())


_EARLIER = """
select id, at, selection ->> 'goes_on' as goes_on,
  action = :action and selection - array['after', 'goes_on'] = cast(:selection as jsonb) as same
from operation where idempotency_key = :key
"""
_LOCK = """
select status, total, changed, coalesce(cast(selection ->> 'after' as bigint), 0) as after
from operation where id = :id for no key update
"""
_PROGRESS = """
update operation set done = :changed, changed = :changed,
  selection = case when cast(:after as bigint) is null then selection
    else selection || jsonb_build_object('after', cast(:after as bigint)) end,
  status = case when cast(:after as bigint) is null then 'done' else 'running' end,
  finished_at = case when cast(:after as bigint) is null then clock_timestamp() end
where id = :id
"""
