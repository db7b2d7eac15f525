"""How far the workers have come in each work queue, by what the sweeper sees from outside."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from ...statemachine.records import Record
from ...statemachine.store import sweep
from ...statemachine.store.sweep import Hint, Place

MOST = 100
"""How many hints are watched in a queue, and how many passings kept; beyond them every other one goes."""

T = TypeVar("T")


class Passing(Record):
    """At `seen_at` it was known that all that had been sent up to `sent_by` has left its queue."""

    sent_by: datetime
    seen_at: datetime


class Lane:
    """One work queue: hints that are watched on their way, and what is known to have left.

    The newest hint of each round is watched. A queue gives the oldest messages first, so once one has been taken up,
    all that went out before it (not with it, within `moments_s`) have left the queue, though messages may wait; and so
    has everything once it is empty. What has left is in a worker's hands or lost; a worker says within moments what it
    has begun, and once all has been applied that was reported by then, what is still only submitted was lost.
    """

    def __init__(self, moments_s: float) -> None:
        self.moments = timedelta(seconds=moments_s)
        self.watched: list[Hint] = []
        self._passings: list[Passing] = []
        self._gone_by: datetime | None = None

    def look(self, taken: set[tuple[int, int]], newest: Hint | None, looked_at: datetime, *, empty: bool) -> None:
        """Take in what was seen: which of the watched were taken up, and whether the queue was empty then."""
        passed = [hint.sent_at - self.moments for hint in self.watched if (hint.item, hint.epoch) in taken]
        passed += [looked_at] if empty else []
        if passed:
            self._passings = _thinned([*self._passings, Passing(sent_by=max(passed), seen_at=looked_at)])
            self.watched = [hint for hint in self.watched if hint.sent_at - self.moments > max(passed)]
        if newest is not None and newest not in self.watched:
            self.watched = _thinned([*self.watched, newest])

    def gone_by(self, applied: datetime) -> datetime | None:
        """Give up to when hints were sent that are lost unless they were heard of; `applied`: as far as reports are."""
        told = [passing for passing in self._passings if passing.seen_at + self.moments < applied]
        self._passings = self._passings[len(told) :]
        known = [passing.sent_by for passing in told] + ([self._gone_by] if self._gone_by else [])
        self._gone_by = max(known, default=None)
        return self._gone_by


class Passings:
    """One sweeper's memory of all work queues."""

    def __init__(self, moments_s: float) -> None:
        self.moments_s = moments_s
        self._lanes: dict[Place, Lane] = {}

    def gone_by(self, connection: Connection, place: Place, looked_at: datetime, *, empty: bool) -> datetime | None:
        """Look at a queue; give up to when hints were sent of which those not heard of are lost."""
        watch = self._lanes.setdefault(place, Lane(self.moments_s))
        taken = sweep.taken_up(connection, watch.watched)
        watch.look(taken, sweep.newest_submitted(connection, place), looked_at, empty=empty)
        return watch.gone_by(sweep.applied_until(connection, place.lane))


def _thinned(entries: Sequence[T]) -> list[T]:
    return list(entries if len(entries) <= MOST else entries[::2])
