"""The pilot's loop: watch over the workers, and decide when to leave and how.

It leaves when nobody has had anything to do for a while (unless it is one of those that are always kept), when no step
would be done before the walltime is over, when its workers keep dying, or when it is told to: SIGUSR1 lets what runs be
finished, SIGTERM hands it back at once.
Workers get both signals too where the batch system sends them to all processes; hearing it twice does no harm.
"""

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from ...consumers.worker.settings import WorkerSettings, new_owner, reporter
from ...consumers.worker.term import Term
from ...statemachine.records import PilotWord, Record
from ..config import Config
from ..config.surroundings import Surroundings
from .crew import Crew
from .member import Order
from .pace import Pace
from .signals import pending
from .telling import Teller

log = structlog.get_logger("headframe.pilot")
LOOK_S = 1.0
BEGIN_S = 60.0
"""So long workers may take to reach the broker, or for as long as an idle pilot stays, if that is longer."""
KILL_S = 4.0
"""Workers that were told to end hand back at once; those that cannot are killed after so long. SLURM kills everything
after 30 s (its KillWait), others after 10."""
DRAIN_SHARE = 0.25
"""A pilot drains by itself before its end; in a short one not for more than this share of it."""


class PilotSettings(Record):
    """What the pilot has to know beside what its workers have. Times in seconds. `stay`: it is kept, though idle."""

    workers: int = 1
    idle_s: float = 120.0
    drain_s: float = 120.0
    stay: bool = False


class Pilot:
    """One pilot, from its first worker to its last word."""

    def __init__(
        self,
        config: Config,
        settings: PilotSettings,
        workers: WorkerSettings,
        around: Surroundings,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings, self.workers, self.around = settings, workers, around
        self.beat = beat
        self.pace, self.term = Pace(workers.expected), Term(workers)
        self.crew = Crew(config, workers, settings.workers, self.pace)
        self.teller = Teller(config, reporter(workers, new_owner()))
        self.began = time.monotonic()
        self.reason, self.failed, self.ended_at = "", False, 0.0

    def start(self) -> None:
        """Start the workers, and say so."""
        self.crew.start()
        self.teller.say(self._word("running"))
        ends_at = self._ends_at()
        until = ends_at.isoformat(timespec="seconds") if ends_at else None
        log.info("the pilot runs", workers=self.settings.workers, steps=self.workers.steps, ends_at=until)

    def run(self, signals: int) -> int:
        """Run until all workers have left; give the exit code: 0 if it left as it should.

        `signals` is a descriptor from which the numbers of signals can be read as they come.
        """
        while self.crew.living or not self.reason:
            self.beat()
            self.crew.hear(LOOK_S, [signals])
            self._obey(pending(signals))
            self._look()
        log.info("the pilot leaves", reason=self.reason)
        self.teller.say_last(self._word("left"))
        return 1 if self.failed else 0

    def _obey(self, numbers: bytes) -> None:
        for number in numbers:
            name = signal.Signals(number).name
            if number == signal.SIGUSR1:
                self._leave(f"it was told to drain ({name})")
            else:
                self._leave(f"it was told to end ({name})", at_once=True)

    def _look(self) -> None:
        """Leave if it is time to; else see that every worker's place is filled."""
        self.term.learn(self.pace.takes())
        dying = next((hand for hand in self.crew.hands if hand.is_dying), None)
        if self.ended_at and time.monotonic() > self.ended_at + KILL_S:
            self.crew.kill()
        elif self.around.ends_at is not None and time.time() >= self.around.ends_at:
            self._leave("its walltime is over", at_once=True)
        elif self.reason:
            return
        elif dying is not None:
            self._leave(f"its workers died again and again: {dying.cause}", failed=True)
        elif not self.crew.ready and time.monotonic() - self.began > max(BEGIN_S, self.settings.idle_s):
            self._leave("none of its workers could begin; their log lines say why", failed=True, at_once=True)
        else:
            self._look_for_work()

    def _look_for_work(self) -> None:
        left_s = self.around.ends_at - time.time() if self.around.ends_at is not None else None
        drain_s = min(self.settings.drain_s, DRAIN_SHARE * self.workers.walltime_s)
        if not self.settings.stay and self.crew.ready and self.crew.idle_s() >= self.settings.idle_s:
            self._leave(f"there was nothing to do for {self.settings.idle_s:g} s")
        elif left_s is not None and left_s <= drain_s:
            self._leave(f"its walltime is over in {left_s:.0f} s")
        elif left_s is not None and not any(map(self.term.fits, self.workers.steps)):
            self._leave(f"each of its steps takes longer than the {left_s:.0f} s that are left of its walltime")
        else:
            self.crew.replace()
            if all(hand.left for hand in self.crew.hands):
                self._leave("each of its workers was told to leave")

    def _leave(self, reason: str, *, at_once: bool = False, failed: bool = False) -> None:
        """Let all workers leave. Who drains can still be told to end, but nobody is told so twice."""
        if self.ended_at or (self.reason and not at_once):
            return
        log.info("the pilot drains", reason=reason, at_once=at_once)
        self.reason, self.failed = reason, self.failed or failed
        self.ended_at = time.monotonic() if at_once else 0.0
        self.teller.say(self._word("draining"))
        self.crew.order(Order(what="end" if at_once else "drain"))

    def _word(self, what: str) -> PilotWord:
        return PilotWord(
            token=self.workers.pilot,
            what=what,  # type: ignore[arg-type]
            job=self.around.job,
            node=self.around.nodes,
            cpus=self.around.cpus,
            memory=self.around.memory,
            workers=self.settings.workers,
            ends_at=self._ends_at(),
            reason=self.reason,
        )

    def _ends_at(self) -> datetime | None:
        return datetime.fromtimestamp(self.around.ends_at, UTC) if self.around.ends_at is not None else None
