"""A batch system and a service that keep their contracts in memory, with faults on order and a clock of their own."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from headframe.client import UnreachableError
from headframe.daemon.launcher.judging import put_on
from headframe.daemon.slurm.contract import (
    AwayError,
    JobSeen,
    JobUsage,
    JobWanted,
    Node,
    Partition,
    RefusedError,
    Reservation,
    Standing,
    UnclearError,
)
from headframe.statemachine.piloting import (
    OVER,
    LivePilot,
    Orders,
    PilotSeen,
    PilotWish,
    Round,
    StepDemand,
)
from headframe.statemachine.store.pilots import LAST, LATELY_S

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A time that passes when told to."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakeBatch:
    """Jobs in memory. `fault` is asked before each call, and may raise; `lose` says that an answer is lost; `recorded`
    is the name under which accounting has each job, if that is not its own."""

    name = "double"

    def __init__(self, clock: Clock, nodes: int = 4) -> None:
        self.clock, self.away, self.lists = clock, False, True
        self.jobs: dict[str, JobSeen] = {}
        self.scripts: dict[str, str] = {}
        self.hidden: set[str] = set()
        self.down: set[str] = set()
        self.recorded = ""
        self.drained: list[str] = []
        self.cancelled: list[str] = []
        self.calls: Counter[str] = Counter()
        self.refuse: Callable[[JobWanted], str] = lambda wanted: ""
        self.lose: Callable[[], str] = lambda: ""
        self.counts = True
        self._numbers = itertools.count(1)
        self._nodes = [f"n{n}" for n in range(1, nodes + 1)]

    # --- the contract ---------------------------------------------------------------------------------------------

    def version(self) -> str:
        self._asked("version")
        return "22.05.8"

    def submit(self, wanted: JobWanted) -> str:
        self._asked("submit")
        lost = self.lose()
        if lost == "before":
            raise UnclearError("sbatch did not answer within 30 s")
        refused = self.refuse(wanted)
        if refused:
            raise RefusedError(refused)
        job = str(next(self._numbers))
        self.scripts[job] = wanted.script
        self.jobs[job] = JobSeen(
            job=job, token=wanted.token, standing=Standing.PENDING, state="PENDING", submitted_at=self.clock()
        )
        if lost == "after":
            raise UnclearError("sbatch did not answer within 30 s")
        return job

    def try_out(self, wanted: JobWanted) -> str:
        self._asked("try_out")
        refused = self.refuse(wanted)
        if refused:
            raise RefusedError(refused)
        return "it would start at once"

    def poll(self, prefix: str) -> tuple[JobSeen, ...]:
        self._asked("poll")
        return tuple(
            each for each in self.jobs.values() if each.token.startswith(prefix) and each.job not in self.hidden
        )

    def find(self, token: str) -> tuple[JobSeen, ...]:
        self._asked("find")
        return tuple(each for each in self.jobs.values() if each.token == token and each.job not in self.hidden)

    def accounting(self, jobs: Iterable[str]) -> tuple[JobUsage, ...]:
        self._asked("accounting")
        ended = (self.jobs.get(job) for job in jobs) if self.counts else ()
        return tuple(
            JobUsage(job=each.job, state=each.state, code=each.code, cpu_s=60.0, token=self.recorded or each.token)
            for each in ended
            if each is not None and each.standing is Standing.ENDED
        )

    def cancel(self, job: str) -> None:
        self._asked("cancel")
        self.cancelled.append(job)
        if self.jobs[job].standing is not Standing.ENDED:
            self.end(job, "cancelled", "CANCELLED")

    def drain(self, job: str) -> None:
        self._asked("drain")
        self.drained.append(job)

    def nodes(self) -> tuple[Node, ...]:
        self._asked("nodes")
        states = {name: "DOWN*" if name in self.down else "IDLE" for name in self._nodes}
        return tuple(Node(name=name, state=state, usable=state == "IDLE") for name, state in states.items())

    def partitions(self) -> tuple[Partition, ...]:
        return ()

    def reservations(self) -> tuple[Reservation, ...]:
        return ()

    # --- what happens to jobs -------------------------------------------------------------------------------------

    def start(self, job: str, node: str = "n1") -> None:
        self._set(job, standing=Standing.RUNNING, state="RUNNING", nodes=node, started_at=self.clock())

    def end(self, job: str, code: str = "done", state: str = "COMPLETED", reason: str = "") -> None:
        self._set(job, standing=Standing.ENDED, state=state, code=code, reason=reason, ended_at=self.clock())

    def requeue(self, job: str, reason: str = "BeginTime") -> None:
        restarts = self.jobs[job].restarts + 1
        again = {"state": "PENDING", "reason": reason, "nodes": "", "restarts": restarts, "started_at": None}
        self._set(job, standing=Standing.PENDING, **again)

    def live(self) -> list[JobSeen]:
        return [each for each in self.jobs.values() if each.standing is not Standing.ENDED]

    def of(self, token: str) -> list[JobSeen]:
        return [each for each in self.jobs.values() if each.token == token]

    def _set(self, job: str, **what: object) -> None:
        self.jobs[job] = replace(self.jobs[job], **what)

    def _asked(self, what: str) -> None:
        self.calls[what] += 1
        if self.away:
            raise AwayError("slurmctld does not answer")


class FakeService:
    """The service's side: of its rows it tells those that are live or ended lately, and the last of each name."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.away = clock, False
        self.rows: dict[str, LivePilot] = {}
        self.wishes: dict[str, PilotWish] = {}
        self.usage: dict[str, dict[str, float]] = {}
        self.demand: tuple[StepDemand, ...] = ()
        self.set_aside: dict[str, str] = {}
        self.rounds: list[Round] = []
        self.raises: list[Exception] = []

    def round(self, launcher: str, round_: Round) -> Orders:
        self._asked()
        self.rounds.append(round_)
        for seen in round_.seen:
            self._see(seen)
        last = {row.token for name in round_.names for row in self._last(name)}
        told = [
            row for row in self.rows.values() if row.ended_at is None or self._lately(row.ended_at) or row.token in last
        ]
        return Orders(now=self.clock(), pilots=tuple(told), demand=self.demand, set_aside=self.set_aside)

    def intend(self, launcher: str, wishes: Sequence[PilotWish]) -> None:
        self._asked()
        for wish in wishes:
            self.wishes.setdefault(wish.token, wish)
            row = LivePilot(
                token=wish.token,
                name=wish.name,
                status="intended",
                created_at=self.clock(),
                large=wish.large,
                stay=bool(wish.request.get("stay")),
            )
            self.rows.setdefault(wish.token, row)

    def tell(self, token: str, word: str) -> None:
        self.rows[token] = replace(self.rows[token], told=word)

    def heard(self, token: str) -> None:
        self.rows[token] = replace(self.rows[token], heard_at=self.clock(), status="running")

    def status(self) -> Counter[str]:
        return Counter(row.status for row in self.rows.values())

    def _see(self, seen: PilotSeen) -> None:
        row = self.rows[seen.token]
        if row.status not in OVER:
            self.rows[seen.token] = put_on(row, seen, self.clock())
        if seen.usage:
            self.usage[seen.token] = seen.usage

    def _lately(self, ended_at: datetime) -> bool:
        return self.clock() - ended_at < timedelta(seconds=LATELY_S)

    def _last(self, name: str) -> list[LivePilot]:
        ended = [row for row in self.rows.values() if row.name == name and row.ended_at and row.code != "withdrawn"]
        return ended[-LAST:]

    def _asked(self) -> None:
        if self.raises:
            raise self.raises.pop(0)
        if self.away:
            raise UnreachableError("https://headframe.example does not answer: timed out")


def at_random(seed: int, share: float = 0.5) -> Callable[[], str]:
    """Lose so large a share of answers, before or after the job was taken."""
    draw = random.Random(seed)
    return lambda: draw.choice(("before", "after")) if draw.random() < share else ""
