"""What an action was of, in words: its selection as somebody would say it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..statemachine.views import AuditRow

MOST = 8
FILTERS = {
    "campaign": "campaign",
    "kind": "type",
    "state": "state",
    "phase": "phase",
    "step": "step",
    "reason_code": "reason",
    "scope": "only",
    "code": "all dead letters with code",
    "to_state": "to",
}
NAMED = {
    "worker": ("worker", "workers"),
    "pilot": ("pilot", "pilots"),
    "files": ("file", "files"),
    "letters": ("dead letter", "dead letters"),
}


def said_of(row: AuditRow) -> str:
    """Say what an action was of."""
    if row.source == "run":
        return "; ".join(_changes(row.selection.get("before") or {}, row.selection.get("after") or {}))
    if row.source == "access":
        return ": ".join(filter(None, (str(row.selection.get("subject", "")), str(row.selection.get("detail", "")))))
    return selected(row.selection)


def selected(selection: Mapping[str, Any]) -> str:
    """Say what a selection selects, its runs left out."""
    return "; ".join(_selected(selection))


def runs_of(row: AuditRow) -> tuple[int, ...]:
    """Give the runs that an action names."""
    return named_runs(row.selection) if row.run is None else (row.run,)


def named_runs(selection: Mapping[str, Any]) -> tuple[int, ...]:
    """Give the runs that a selection names."""
    named = selection.get("runs")
    return tuple(n for n in named if isinstance(n, int)) if isinstance(named, list) else ()


def _selected(of: Mapping[str, Any]) -> Iterator[str]:
    if of.get("what") and of.get("name"):
        yield f"{of['what']} {of['name']}"
    for name, (one, many) in NAMED.items():
        if of.get(name):
            yield _several(one, many, of[name])
    for name, word in FILTERS.items():
        if of.get(name):
            yield f"{word} {of[name]}"
    if of.get("new_content"):
        yield "with new content"
    if lane := of.get("goes_on") or of.get("lane"):
        yield f"into the {lane} lane"


def _several(one: str, many: str, named: Any) -> str:
    listed = [str(each) for each in named] if isinstance(named, list) else [str(named)]
    more = f" and {len(listed) - MOST} more" if len(listed) > MOST else ""
    return f"{one if len(listed) == 1 else many} {', '.join(listed[:MOST])}{more}"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name)
        if was != now:
            yield f"{name}: {_short(was)} to {_short(now)}" if was not in (None, "") else f"{name}: {_short(now)}"


def _short(value: Any) -> str:
    said = "nothing" if value in (None, "", [], {}) else str(value)
    return said if len(said) <= 80 else f"{said[:77]}..."
