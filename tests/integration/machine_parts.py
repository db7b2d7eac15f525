"""What the model of the machine is made of: pipelines, items, files, runs, and what is said of them."""

from dataclasses import dataclass, field

LIVE = ("ready", "submitted", "executing")
BLAMED = ("lost-lease", "worker-died", "over-limit", "node-failed")
ESCALATED = ("walltime", "memory")


@dataclass(frozen=True)
class Step:
    name: str
    to: str
    scope: str = "file"
    makes: str = "product"
    retries: int = 1
    nodes: int = 2
    accepts_failed: bool = False
    bypassed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """A pipeline: `states[n]` is where step `n` begins."""

    steps: tuple[Step, ...]
    doubles: tuple[str, ...] = ()
    """The run types that let a content go on under a second name."""

    @property
    def states(self) -> tuple[str, ...]:
        return ("arrived", *(step.to for step in self.steps))

    @property
    def files_end(self) -> int:
        return sum(step.scope == "file" for step in self.steps)

    def end(self, scope: str) -> int:
        return self.files_end if scope == "file" else len(self.steps)


@dataclass
class Item:
    run: int
    sequence: int | None
    way: Way
    kind: str
    rank: int = 0
    phase: str = "ready"
    epoch: int = 1
    owner: str | None = None
    host: str = ""
    failures: int = 0
    nodes: tuple[str, ...] = ()
    asked: frozenset[str] = frozenset()
    was_duplicate: bool = False
    let_through: bool = False
    """An operator has released it although its content is another file's."""

    @property
    def scope(self) -> str:
        return "run" if self.sequence is None else "file"

    @property
    def state(self) -> str:
        return self.way.states[self.rank]

    @property
    def step(self) -> Step | None:
        working = self.rank < self.way.end(self.scope) and self.phase not in ("waiting", "done")
        return self.way.steps[self.rank] if working else None

    @property
    def shown(self) -> tuple[str, str, int, str | None]:
        return self.state, self.phase, self.epoch, self.owner

    def enter(self, phase: str) -> None:
        """Leave the present epoch's attempt behind; a new epoch on each entry to `ready`."""
        taken = phase == "held" and self.phase in ("submitted", "executing")
        self.phase, self.owner = phase, None
        self.epoch += 1 if phase == "ready" or taken else 0

    def forgive(self) -> None:
        self.failures, self.nodes = 0, ()

    def advance(self) -> None:
        self.rank += 1
        self.forgive()
        self.asked = frozenset()
        self.enter("done" if self.rank == self.way.end(self.scope) else "ready")


@dataclass
class File:
    """A file of a run: expected, or registered (`place` is set), or declared missing."""

    name: str
    sequence: int | None
    place: str | None = None
    size: int | None = None
    waived: bool = False
    content: str | None = None
    rewritten: int | None = None
    """The size that it has by now, where that was refused."""


@dataclass
class Run:
    kind: str | None = None
    known: bool = False
    pinned: bool = False
    identity: str | None = None
    expected: int | None = None
    closed: bool = False
    said: set[str] = field(default_factory=set)
    files: list[File] = field(default_factory=list)

    @property
    def registered(self) -> int:
        return sum(file.place is not None for file in self.files)

    @property
    def waived(self) -> int:
        return sum(file.waived for file in self.files)


@dataclass(frozen=True)
class Word:
    """What a worker says of an item."""

    run: int
    sequence: int | None
    epoch: int
    owner: str
    host: str
    trigger: str
    code: str = ""
    permanent: bool = False
    content: str | None = None


@dataclass(frozen=True)
class Arrival:
    run: int
    sequence: int
    name: str
    place: str
    size: int
    kind: str | None = None
