"""How far the workers have come in each work queue, by hints that are watched on their way."""

import time
from collections import deque

from sqlalchemy import Connection

from ...statemachine.store import sweep

WATCHED = 100
"""How many hints are watched in a queue: one more each round."""

Probe = tuple[int, int, float]
"""Item, epoch, and when it was sent, by this process's monotonic clock."""


class Probes:
    """Watches the newest hint of each round. Once one has been taken up, all that were sent before it have left
    the queue: what is still only submitted then was lost, though messages may wait.
    """

    def __init__(self) -> None:
        self._watched: dict[tuple[str, str], deque[Probe]] = {}
        self._passed: dict[tuple[str, str], float] = {}

    def passed_s(self, connection: Connection, step: str, lane: str) -> float:
        """Give how long ago the newest hint was sent of which it is known that it was taken up."""
        watched = self._watched.setdefault((step, lane), deque(maxlen=WATCHED))
        taken = sweep.taken_up(connection, [(item, epoch) for item, epoch, _ in watched])
        gone = [sent for item, epoch, sent in watched if (item, epoch) in taken]
        passed = max([self._passed.get((step, lane), float("-inf")), *gone])
        self._passed[step, lane] = passed
        kept = [probe for probe in watched if probe[2] > passed]
        newest = sweep.newest_submitted(connection, step, lane)
        if newest is not None:
            item, epoch, age_s = newest
            kept.append((item, epoch, time.monotonic() - age_s))
        self._watched[step, lane] = deque(kept, maxlen=WATCHED)
        return time.monotonic() - passed
