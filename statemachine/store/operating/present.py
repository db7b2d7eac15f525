"""Where items are now and who brought them there: what the one is told who lost a race."""

from datetime import datetime

from sqlalchemy import Connection

from ...lifecycle import Trigger
from ...records import Record
from ..core import execute
from .selection import Selection

BY_OPERATORS = (
    Trigger.RESOLVE,
    Trigger.HOLD,
    Trigger.CANCEL,
    Trigger.RELEASE,
    Trigger.ABANDON,
    Trigger.RECOVER,
    Trigger.RESET,
)
SHOWN = 100


class Moved(Record):
    """The last thing that an operator did to an item, as far as history is kept."""

    actor: str
    trigger: str
    at: datetime
    reason: str


class Present(Record, omit_defaults=False):
    """An item as it is: its last change, and the last one by an operator (none if there was none)."""

    item: int
    file: str
    run: int
    state: str
    phase: str
    version: int
    since: datetime
    actor: str
    trigger: str
    reason: str
    operator: Moved | None = None

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        place = f"{self.file or f'run {self.run}'} is {self.state} {self.phase}"
        if self.operator is None:
            return f"{place} since {self.since:%H:%M:%S} UTC"
        then = self.operator
        return f"{place}; {then.actor} did {then.trigger} at {then.at:%H:%M:%S} UTC: {then.reason}"


def present(connection: Connection, selection: Selection) -> tuple[Present, ...]:
    """Give the items that a selection names, as they are now; at most the first 100."""
    rows = execute(
        connection,
        "present",
        files=list(selection.file_ids),
        items=list(selection.items),
        triggers=[str(trigger) for trigger in BY_OPERATORS],
        shown=SHOWN,
    )
    return tuple(_made(row._asdict()) for row in rows)


def _made(row: dict[str, object]) -> Present:
    said = {name: row.pop(f"did_{name}") for name in Moved.__struct_fields__}
    return Present(**row, operator=Moved(**said) if said["at"] is not None else None)  # type: ignore[arg-type]
