"""What the simulated detector is to do."""

from ...statemachine.records import Record


class Plan(Record):
    """A run to take: `files` raw files of `events` triggers each."""

    number: int
    kind: str
    files: int
    events: int = 20
