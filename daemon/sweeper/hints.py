"""Which hints have been lost while others wait: what is submitted beyond what the queue can hold is not in it."""

from datetime import datetime, timedelta

from ...statemachine.records import Record
from ...statemachine.store.core import Ready
from ...statemachine.store.sweep import Beyond

PATIENCE = 20
"""How many times longer a hint may take that only might be lost: parcels need not be full."""


class Queue(Record):
    """What a look at a queue gave: when, how many messages waited, what was submitted beyond them."""

    looked_at: datetime
    depth: int
    beyond: tuple[Beyond, ...]


class Seen(Record):
    """Since when a hint, as it was sent at last, has been beyond its queue each time that somebody looked."""

    epoch: int
    sent_at: datetime
    since: datetime


class Hints:
    """One sweeper's memory of hints that are beyond their queues.

    A queue gives the oldest messages first, so the oldest of those beyond it have left it: for a worker's hands, or
    lost. A worker says within moments that it has begun or ended. So a hint is lost that stays beyond its queue for a
    while from which every report has been applied. Parcels that were returned as single items stand at the end of
    their queue though they are old, and may be sent twice; all in all no more are sent than have been lost or are in
    hands.
    """

    def __init__(self, lost_hint_s: float) -> None:
        self.lost_hint_s = lost_hint_s
        self._seen: dict[tuple[str, str], dict[int, Seen]] = {}

    def lost(self, step: str, lane: str, queue: Queue, applied: datetime) -> list[Ready]:
        """Give those that have been beyond the queue for long enough; `applied`: all reports sent by then have been.

        Beyond an empty queue is all that was sent, since then.
        """
        before = self._seen.get((step, lane), {})
        now = {each.hint.item: _since(each, before.get(each.hint.item), queue) for each in queue.beyond}
        self._seen[step, lane] = now
        return [each.hint for each in queue.beyond if self._ends(each, now[each.hint.item]) < applied]

    def forget(self, step: str, lane: str) -> None:
        """Begin anew: the queue was not looked at."""
        self._seen.pop((step, lane), None)

    def _ends(self, beyond: Beyond, seen: Seen) -> datetime:
        return seen.since + timedelta(seconds=self.lost_hint_s * (1 if beyond.surely else PATIENCE))


def _since(beyond: Beyond, seen: Seen | None, queue: Queue) -> Seen:
    if queue.depth == 0:
        return Seen(epoch=beyond.hint.epoch, sent_at=beyond.sent_at, since=beyond.sent_at)
    if seen is not None and (seen.epoch, seen.sent_at) == (beyond.hint.epoch, beyond.sent_at):
        return seen
    return Seen(epoch=beyond.hint.epoch, sent_at=beyond.sent_at, since=queue.looked_at)
