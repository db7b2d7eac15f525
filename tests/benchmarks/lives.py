"""What happens to a file in its life, as lines of history: the machine walked by hand, a life at a time."""

from typing import Any, NamedTuple

STATES = ("arrived", "salted", "placed", "reconstructed", "cataloged")
STEPS = ("salt", "place", "reconstruct", "catalog")
DAY = 86400.0


class Line(NamedTuple):
    """A change of an item, so many seconds after its file came, and what it says of an attempt."""

    life: int
    version: int
    after_s: float
    trigger: str
    state: str
    phase: str
    step: str | None
    epoch: int
    worked_at: str | None = None
    worked_epoch: int | None = None
    outcome: str | None = None


class Life:
    """Walks through the states; every method is a change."""

    def __init__(self, number: int) -> None:
        self.number, self.rank, self.phase, self.epoch, self.at = number, 0, "ready", 1, 0.0
        self.lines: list[Line] = []
        self.note("arrive")

    def note(self, trigger: str, **attempt: Any) -> None:
        step = None if self.phase == "done" else STEPS[self.rank]
        state = STATES[self.rank]
        self.lines.append(
            Line(self.number, len(self.lines) + 1, self.at, trigger, state, self.phase, step, self.epoch, **attempt)
        )

    def wait(self, seconds: float) -> "Life":
        self.at += seconds
        return self

    def submit(self) -> "Life":
        self.at, self.phase = self.at + 0.02, "submitted"
        self.note("submit")
        return self

    def start(self) -> "Life":
        self.at, self.phase = self.at + 1, "executing"
        self.note("start", worked_at=STEPS[self.rank], worked_epoch=self.epoch, outcome="running")
        return self

    def end(self, trigger: str, outcome: str, phase: str = "ready", takes: float = 0.5) -> "Life":
        worked, epoch = STEPS[self.rank], self.epoch
        self.rank += trigger == "succeed"
        self.phase = "done" if self.rank == len(STEPS) else phase
        self.epoch += self.phase == "ready"
        self.at += takes
        self.note(trigger, worked_at=worked, worked_epoch=epoch, outcome=outcome)
        return self

    def operator(self, trigger: str, phase: str) -> "Life":
        self.at, self.phase = self.at + 1, phase
        self.epoch += phase == "ready"
        self.note(trigger)
        return self

    def quick(self) -> "Life":
        return self.submit().end("succeed", "succeeded")

    def long(self) -> "Life":
        return self.submit().start().end("succeed", "succeeded", takes=40)

    def fails(self) -> "Life":
        return self.submit().start().end("fail", "failed", "failed", takes=20)


def lives() -> dict[str, list[Line]]:
    """Give each kind of life by its name."""
    told = {}
    for number, (name, live) in enumerate(LIVES.items()):
        life = Life(number)
        live(life)
        told[name] = life.lines
    return told


LIVES: dict[str, Any] = {
    "plain": lambda one: one.quick().quick().long().quick(),
    "mended": lambda one: one.quick().quick().fails().wait(2 * DAY).operator("resolve", "ready").long().quick(),
    "interrupted": lambda one: (
        one.quick().quick().submit().start().end("interrupt", "interrupted").wait(60).long().quick()
    ),
    "failed": lambda one: one.quick().quick().fails(),
    "held": lambda one: one.quick().operator("hold", "held"),
    "abandoned": lambda one: one.quick().quick().fails().wait(DAY).operator("abandon", "abandoned"),
    "ready": lambda one: None,
    "submitted": lambda one: one.quick().submit(),
    "executing": lambda one: one.quick().quick().submit().start(),
}
