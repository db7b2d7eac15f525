"""How long a worker stays, and in which words it hands back what it cannot finish.

An ordinary worker stays until it is told to leave. One of a pilot has an end: its walltime. It takes no step that
takes longer than is left, and hands back what still runs shortly before its end. Whoever ends the pilot earlier
(preemption, scancel, a node that goes down) sends SIGTERM, and SIGKILL half a minute later.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from ...statemachine.records import Record
from .settings import WorkerSettings

MARGIN_S = 30.0
MARGIN_SHARE = 0.1
"""What runs is handed back so long before the end, or at this share of a short walltime."""
FRESH_SHARE = 0.75
"""A step that takes longer than this share of the walltime is begun while as much is left: if nobody began it, pilots
would come and leave for ever, and it would never ask for more time."""
TOLD_S = 0.3
"""SIGTERM goes to all processes of a job: a step's program may die of it before its worker has noticed."""


class Told(Record):
    """What a worker tells of itself; `took` says how many seconds a step needed."""

    what: Literal["ready", "begins", "rests", "took"]
    step: str = ""
    seconds: float = 0.0


class Term:
    """A worker's time. `tell` hears whether it has something to do, and what it has done: `begins`, `rests`, `took`."""

    def __init__(self, settings: WorkerSettings, tell: Callable[[Told], None] | None = None) -> None:
        self.settings, self.tell = settings, tell or (lambda _: None)
        self.patient = False
        self._ended = threading.Event()
        self._takes = dict(settings.expected)
        self._end = math.inf if settings.ends_at is None else time.monotonic() + settings.ends_at - time.time()
        self._margin = min(MARGIN_S, MARGIN_SHARE * settings.walltime_s) if settings.walltime_s else MARGIN_S

    def drain(self) -> None:
        """Let it finish what runs, however long that takes, as long as its end is not near. It still has to stop."""
        self.patient = True

    def end(self) -> None:
        """Let it hand back at once what runs. It still has to stop."""
        self._ended.set()

    def learn(self, takes: Mapping[str, float]) -> None:
        """Take over how long steps take on this node, in seconds."""
        self._takes = {**self._takes, **takes}

    def fits(self, step: str) -> bool:
        """Say whether a step that begins now is done before the end, or has its chance, as far as anybody knows."""
        return self._left() > self._needs(step)

    def unfit(self, steps: Iterable[str]) -> frozenset[str]:
        """Name the steps that do not fit any more, as a `Halt` names them."""
        return frozenset(f"step:{step}" for step in steps if not self.fits(step))

    @property
    def is_over(self) -> bool:
        """What runs has to be handed back now."""
        return self._ended.is_set() or self._left() <= 0

    def is_told(self) -> bool:
        """Say whether the pilot is being ended, after a failure that may come of just that."""
        return self._ended.wait(TOLD_S if self.settings.pilot else 0.0)

    def words(self, step: str, ran_s: float) -> tuple[str, str]:
        """Give reason code and reason with which an attempt that ran so long is handed back.

        It has had its chance if it ran for as long as its step needs, or for more than half of the walltime where
        nobody has measured that: then it needs more time, or it would be handed back for ever.
        """
        who = f"pilot {self.settings.pilot} (job {self.settings.job} on {self.settings.host})"
        if self._ended.is_set():
            return "pilot-ended", f"{who} was told to end"
        if self._left() > 0:
            return "drain", "its worker was told to leave"
        chance = self._needs(step) or self.settings.walltime_s / 2
        if chance and ran_s >= chance:
            return "walltime", f"step {step} had run for {ran_s:.0f} s when the walltime of {who} was over"
        return "drain", f"the walltime of {who} was over; step {step} had run for {ran_s:.0f} s only"

    def _needs(self, step: str) -> float:
        """Give the seconds that have to be left for a step to begin; 0 where nobody has measured it."""
        takes = self._takes.get(step, 0.0)
        return min(takes, FRESH_SHARE * self.settings.walltime_s) if self.settings.walltime_s else takes

    def _left(self) -> float:
        """Give the seconds until what runs has to be handed back."""
        return self._end - self._margin - time.monotonic()
