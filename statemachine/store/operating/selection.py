"""Which items an action is meant for: what operators name and filter, and the conditions that it becomes."""

from typing import Any

import msgspec
from sqlalchemy import Connection, text

from ...lifecycle import Phase, Trigger, sources
from ...records import Record
from ..core import execute
from ..errors import NotFoundError, RefusedError


class Selection(Record):
    """Which items: every condition that is set must hold. `files` are names, paths, `run/sequence` or numbers;
    `file_ids` are their numbers once found; `items` are items by number, as pages and lists show them."""

    runs: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    items: tuple[int, ...] = ()
    campaign: str | None = None
    state: str | None = None
    phase: str | None = None
    kind: str | None = None
    step: str | None = None
    reason_code: str | None = None
    scope: str | None = None
    file_ids: tuple[int, ...] = ()

    @property
    def by_name(self) -> bool:
        """Say whether somebody named what is meant, one by one."""
        return bool(self.files or self.items)


FROM = "from item i join run on run.id = i.run_id join campaign c on c.id = i.campaign_id"
_CONDITIONS = {
    "runs": "run.number = any(:runs)",
    "items": "i.id = any(:items)",
    "file_ids": "i.file_id = any(:file_ids)",
    "campaign": "c.name = :campaign",
    "state": "i.state = :at_state",
    "phase": "i.phase = :phase",
    "kind": "i.kind = :kind",
    "step": "i.step = :step",
    "reason_code": "i.reason_code = :reason_code",
    "scope": "i.scope = :scope",
}
_KNOWN = "run.known_kind"
_RESETTABLE = """exists (select from step_rule s left join step_rule p
  on p.pipeline_id = i.pipeline_id and p.state = i.state
  where s.pipeline_id = i.pipeline_id and s.state = :state and s.scope = i.scope
  and s.rank <= coalesce(p.rank, 1000000))"""


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
    return msgspec.structs.replace(selection, file_ids=found or selection.file_ids)


def find_file(connection: Connection, name: str, runs: tuple[int, ...] = ()) -> int:
    """Give a file's number by its name, path, `run/sequence` or number. Raises where it is none, or several."""
    run, _, sequence = name.partition("/")
    numbered = _number(run) is not None and _number(sequence) is not None
    values: dict[str, Any] = {
        "called": name,
        "run": _number(run) if numbered else None,
        "sequence": _number(sequence, 2**31) if numbered else None,
        "id": _number(name),
        "runs": list(runs),
    }
    rows = execute(connection, "find_file", **values)
    if not rows:
        raise NotFoundError(f"there is no file {name}")
    if len(rows) > 1:
        numbers = ", ".join(str(row.number) for row in rows)
        raise RefusedError(f"there are {len(rows)} files {name}, in runs {numbers}; name the run too")
    return int(rows[0].id)


def fitting(selection: Selection) -> tuple[list[str], dict[str, Any]]:
    """Give the conditions over `FROM` for what is selected, whether it can be acted on or not, and their values."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    names = {"state": "at_state"}
    for field, condition in _CONDITIONS.items():
        value = getattr(selection, field)
        if value:
            parts.append(condition)
            values[names.get(field, field)] = list(value) if isinstance(value, tuple) else value
    return parts, values


def conditions(
    trigger: Trigger, target: Phase | None, selection: Selection, state: str | None
) -> tuple[str, dict[str, Any]]:
    """Give the WHERE clause over `FROM` for what is selected and can be acted on now, and its values."""
    parts, values = fitting(selection)
    parts.append("i.phase = any(:sources)")
    values["sources"] = list(sources(trigger))
    if target is Phase.READY or trigger is Trigger.RESET:
        parts.append(_KNOWN)
    if trigger is Trigger.RESET:
        parts.append(_RESETTABLE)
        values["state"] = state
    return " and ".join(parts), values


def _number(text: str, below: int = 2**63) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 and int(text) < below else None
