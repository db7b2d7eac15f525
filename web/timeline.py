"""When what happened to a run, as marks on a line: when it began and ended, when it reached each state."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from ..statemachine.views import HistoryRow, RunDetail


class Mark(NamedTuple):
    """Something that happened: when, what, and where on the line (of 100)."""

    at: datetime
    what: str
    x: float


def marks(detail: RunDetail) -> list[Mark]:
    """Give what is known of a run's times, in order."""
    row = detail.row
    known = [
        (row.started, "started"),
        (row.ended, "ended"),
        (row.closed, "closed"),
        (detail.last_file_at, "last file came"),
        *_reached(detail.history),
    ]
    return _placed(sorted((at, what) for at, what in known if at is not None))


def _reached(history: Iterable[HistoryRow]) -> list[tuple[datetime, str]]:
    """Give when the run last came to each state; the first one says nothing that its files do not."""
    found = {change.to_state: change.at for change in history if change.from_state not in (None, change.to_state)}
    return [(at, f"all {state}") for state, at in found.items()]


def _placed(known: list[tuple[datetime, str]]) -> list[Mark]:
    if not known:
        return []
    first, whole = known[0][0], (known[-1][0] - known[0][0]).total_seconds()
    found: list[Mark] = []
    for at, what in known:
        x = 100 * (at - first).total_seconds() / whole if whole else 0.0
        found.append(Mark(at, what, round(x, 2)))
    return found
