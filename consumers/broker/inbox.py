"""Where deliveries wait between the I/O thread that receives them and the thread that takes them."""

import threading
import time
from collections import deque
from collections.abc import Sequence

from .base import Delivery


class Inbox:
    """A waiting room with a line for each queue; earlier lines go first."""

    def __init__(self, queues: Sequence[str]) -> None:
        self._lines: dict[str, deque[Delivery]] = {queue: deque() for queue in queues}
        self._bell = threading.Condition()
        self._woken = self._closed = False

    def put(self, delivery: Delivery) -> None:
        """Add a delivery."""
        with self._bell:
            self._lines[delivery.queue].append(delivery)
            self._bell.notify()

    def take(self, limit: int, wait_s: float) -> list[Delivery]:
        """Give up to `limit`; wait up to `wait_s` seconds for the first."""
        end = time.monotonic() + wait_s
        with self._bell:
            while True:
                taken = self._collect(limit)
                left = end - time.monotonic()
                if taken or self._woken or self._closed or left <= 0:
                    self._woken = False
                    return taken
                self._bell.wait(left)

    def wake(self) -> None:
        """End the present or the next wait."""
        with self._bell:
            self._woken = True
            self._bell.notify()

    def empty(self) -> list[Delivery]:
        """Give all that has not been taken."""
        with self._bell:
            return self._collect(sum(len(line) for line in self._lines.values()))

    def close(self) -> None:
        """End the present and every later wait."""
        with self._bell:
            self._closed = True
            self._bell.notify()

    def _collect(self, limit: int) -> list[Delivery]:
        taken: list[Delivery] = []
        for line in self._lines.values():
            while line and len(taken) < limit:
                taken.append(line.popleft())
        return taken
