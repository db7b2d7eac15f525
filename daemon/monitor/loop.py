"""One loop of a daemon, as its monitor sees it: since when it is at its present turn, and for how long it may be."""

import math
import random
import threading
import time
from collections.abc import Callable

from .waiting import Waiting

FIRST_S, LONGEST_S = 0.1, 10.0


class Loop:
    """Beats at the start of each turn, and rests while it waits for the next one on purpose: then it cannot hang."""

    def __init__(
        self,
        name: str = "",
        waiting: Waiting | None = None,
        allow_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.allow_s, self.waiting = name, allow_s, waiting or Waiting()
        self._clock, self._began, self._misses = clock, clock(), 0
        self._resting = True

    def beat(self) -> None:
        """A turn begins, or comes on."""
        self._began, self._resting = self._clock(), False

    def rest(self, stop: threading.Event, seconds: float) -> bool:
        """Wait for the next turn; say whether it is time to stop instead."""
        self.pause()
        stopped = stop.wait(seconds)
        self.beat()
        return stopped

    def pause(self) -> None:
        """It waits on purpose from now on, until it beats."""
        self._resting = True

    def age_s(self) -> float:
        """Give for how long it has been at its turn; 0 while it waits for the next."""
        return 0.0 if self._resting else self._clock() - self._began

    @property
    def hangs(self) -> bool:
        """It has been at one turn for longer than any may take."""
        return self.age_s() > self.allow_s

    def missed(self, error: BaseException) -> float:
        """A server was away: have it said, once for all loops of a process; give how long to wait before another try.

        Longer each time, and different for everybody: else all would come back at the same moment.
        """
        self.waiting.away(error)
        delay: float = min(LONGEST_S, FIRST_S * 2 ** min(self._misses, 10))
        self._misses += 1
        share: float = random.uniform(0.5, 1.0)  # noqa: S311 (no secret)  # nosec B311
        return delay * share

    def met(self) -> None:
        """The database has answered."""
        self._misses = 0
        self.waiting.back()
