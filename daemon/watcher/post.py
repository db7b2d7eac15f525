"""Publish arrivals: in messages of limited size, again and again until the broker has confirmed them."""

import logging
import random
from collections.abc import Iterator, Sequence
from threading import Event

from ...consumers.broker.base import Broker, BrokerUnavailableError, Outgoing
from ...consumers.messages import LARGEST, Arrived, encode
from ...statemachine.records import ArrivedFile, RunInfo, Trouble

BATCH = 500
"""The most files, runs or troubles in a message."""
BACKOFF_S = (0.1, 5.0)

log = logging.getLogger(__name__)


class Post:
    """The way to the arrivals queue. Any thread may send."""

    def __init__(self, broker: Broker, queue: str, stop: Event) -> None:
        self._broker = broker
        self._queue = queue
        self._stop = stop

    def send(
        self,
        files: Sequence[ArrivedFile] = (),
        troubles: Sequence[Trouble] = (),
        runs: Sequence[RunInfo] = (),
    ) -> bool:
        """Publish all of it and wait for the broker as long as it takes; False only when stopped meanwhile."""
        for start in range(0, max(len(files), len(troubles), len(runs)), BATCH):
            part = slice(start, start + BATCH)
            message = Arrived(files=tuple(files[part]), troubles=tuple(troubles[part]), runs=tuple(runs[part]))
            if not all(self._publish(body) for body in _bodies(message)):
                return False
        return True

    def _publish(self, body: bytes) -> bool:
        wait, said = BACKOFF_S[0], ""
        while not self._stop.is_set():
            try:
                if self._broker.publish([Outgoing(key=self._queue, body=body)])[0]:
                    return True
                reason = "not confirmed and routed"
            except BrokerUnavailableError as error:
                reason = str(error)
            log.log(logging.DEBUG if said == reason else logging.WARNING, "arrivals wait to be sent: %s", reason)
            said = reason
            self._stop.wait(wait * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)  # nosec B311
            wait = min(2 * wait, BACKOFF_S[1])
        return False


def _bodies(message: Arrived) -> Iterator[bytes]:
    """Give the body of a message, or of its halves where it is too large to be taken."""
    body = encode(message)
    count = max(len(message.files), len(message.troubles), len(message.runs))
    if len(body) <= LARGEST // 2 or count == 1:
        yield body
        return
    for half in (slice(None, count // 2), slice(count // 2, None)):
        yield from _bodies(Arrived(files=message.files[half], troubles=message.troubles[half], runs=message.runs[half]))
