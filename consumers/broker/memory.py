"""The broker contract within one process: no server, no disk, no copy.

Nothing is prefetched: `take` moves messages straight out of the queues, under the hub's one lock, so that a
message never sits with a consumer that does not want it yet. That what is queued is lost with the process is
safe, because PostgreSQL is the truth and a message only a hint.
"""

import itertools
import threading
import time
from collections.abc import Iterable, Sequence

from .base import (
    DEFAULT_PREFETCH,
    BrokerRefusedError,
    BrokerUnavailableError,
    Delivery,
    Held,
    Outgoing,
    Topology,
    dead_letter,
)
from .memory_hub import MemoryHub, MemoryQueue, Message


class MemorySubscription:
    """A consumer of some of a hub's queues."""

    def __init__(self, broker: "MemoryBroker", queues: Sequence[MemoryQueue], prefetch: int) -> None:
        self._broker = broker
        self._hub = broker.hub
        self._queues = queues
        self._prefetch = prefetch
        self._bell = threading.Condition(self._hub.lock)
        self._held: dict[int, tuple[MemoryQueue, Message]] = {}
        self._tags = itertools.count(1)
        self.closed = self._paused = self._woken = self._hungry = False
        for queue in queues:
            queue.watchers.append(self)

    def take(self, limit: int, wait_s: float) -> list[Delivery]:
        """Give up to `limit` deliveries; wait up to `wait_s` seconds for the first."""
        end = time.monotonic() + wait_s
        with self._hub.lock:
            while True:
                taken = self._collect(limit)
                left = end - time.monotonic()
                if taken or self._woken or self.closed or left <= 0:
                    self._woken = False
                    return taken
                self._hungry = not self._paused and len(self._held) < self._prefetch
                self._bell.wait(left)
                self._hungry = False

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Forget these."""
        with self._hub.lock:
            for delivery in deliveries:
                self._held.pop(delivery.tag, None)
            self._bell.notify()

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Return these to their old places."""
        with self._hub.lock:
            self._return([delivery.tag for delivery in deliveries])

    def reject(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Move these to the dead-letter queue."""
        with self._hub.lock:
            held = [each for each in deliveries if each.tag in self._held]
            dead = self._broker.dead_letters(held, reason)
            for message in dead:
                for queue in self._hub.publish(message):
                    queue.announce(1)
            for delivery in held:
                del self._held[delivery.tag]
            self._bell.notify()

    def pause(self) -> None:
        """Take nothing more until `resume`."""
        with self._hub.lock:
            self._paused = True
            for queue in self._queues:
                queue.step_back(self)
            self._pass_on()

    def resume(self) -> None:
        """Take again."""
        with self._hub.lock:
            self._paused = False
            self._bell.notify()

    def wake(self) -> None:
        """End the present or the next wait."""
        with self._hub.lock:
            self._woken = True
            self._bell.notify()

    def close(self) -> None:
        """Return what is not acknowledged."""
        with self._hub.lock:
            if self.closed:
                return
            self.closed = True
            for queue in self._queues:
                queue.watchers.remove(self)
            self._return(list(self._held))
            self._pass_on()
            self._bell.notify()

    def notice(self) -> bool:
        """Wake the waiting `take`; False if none waits, or if it could not take any. Under the hub's lock."""
        hungry, self._hungry = self._hungry, False
        if hungry:
            self._bell.notify()
        return hungry

    def _collect(self, limit: int) -> list[Delivery]:
        taken: list[Delivery] = []
        if self._paused or self.closed:
            return taken
        room = min(limit, self._prefetch - len(self._held))
        for queue in filter(lambda queue: queue.serves(self), self._queues):
            for _ in range(min(len(queue), room - len(taken))):
                message = queue.get()
                tag = next(self._tags)
                self._held[tag] = (queue, message)
                _, body, headers, again = message
                taken.append(Delivery(queue=queue.name, body=body, tag=tag, redelivered=again, headers=dict(headers)))
        return taken

    def _return(self, tags: Iterable[int]) -> None:
        for tag in tags:
            if tag in self._held:
                queue, message = self._held.pop(tag)
                queue.put_back(message)
                queue.announce(1)
        self._bell.notify()

    def _pass_on(self) -> None:
        # A message may have been announced to this one alone, just before it stopped taking.
        for queue in self._queues:
            queue.announce(len(queue))


class MemoryBroker:
    """One connection to a hub."""

    def __init__(self, hub: MemoryHub) -> None:
        self.hub = hub
        self._subscriptions: list[MemorySubscription] = []
        self._dead = ""
        self._closed = False

    def declare(self, topology: Topology) -> None:
        """Make what is missing."""
        with self.hub.lock:
            self._check_open()
            self.hub.declare(topology, self)
            self._dead = topology.dead

    def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        """Put messages into the queues that they are routed to."""
        with self.hub.lock:
            self._check_open()
            results = []
            for message in messages:
                routed = False
                for queue in self.hub.publish(message):
                    queue.announce(1)
                    routed = True
                results.append(routed or not message.mandatory)
            return results

    def subscribe(self, queues: Sequence[str], prefetch: int) -> MemorySubscription:
        """Consume from these queues."""
        with self.hub.lock:
            self._check_open()
            found = [self.hub.queue(name, self) for name in dict.fromkeys(queues)]
            subscription = MemorySubscription(self, found, prefetch or DEFAULT_PREFETCH)
            self._subscriptions = [each for each in self._subscriptions if not each.closed] + [subscription]
            return subscription

    def depth(self, queue: str) -> int:
        """Count what waits."""
        with self.hub.lock:
            self._check_open()
            return len(self.hub.queue(queue, self))

    def held(self, queue: str) -> Held:
        """Say what waits, and how many consume."""
        with self.hub.lock:
            self._check_open()
            found = self.hub.queue(queue, self)
            return Held(messages=len(found), consumers=len(found.watchers))

    def purge(self, queue: str) -> int:
        """Throw away what waits."""
        with self.hub.lock:
            self._check_open()
            return self.hub.queue(queue, self).clear()

    def ready(self) -> bool:
        """Say whether it is open."""
        return not self._closed

    def close(self) -> None:
        """Close subscriptions, delete exclusive queues."""
        for subscription in self._subscriptions:
            subscription.close()
        with self.hub.lock:
            self._closed = True
            self._subscriptions.clear()
            self.hub.forget(self)

    def dead_letters(self, deliveries: Sequence[Delivery], reason: str) -> list[Outgoing]:
        """Make the dead letters for these. Raises `BrokerRefusedError` where no queue for them is declared."""
        if self._dead not in self.hub.queues:
            raise BrokerRefusedError(f"memory: there is no dead-letter queue {self._dead!r}")
        return [dead_letter(each, self._dead, reason) for each in deliveries]

    def _check_open(self) -> None:
        if self._closed:
            raise BrokerUnavailableError("memory: this connection is closed")
