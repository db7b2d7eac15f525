"""The exchanges and queues behind the in-memory brokers of one process."""

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from .base import BrokerRefusedError, Outgoing, Queue, Topology

Message = tuple[int, bytes, dict[str, str], bool]
"""Place in the queue (never two alike), body, headers, redelivered."""


class Watcher(Protocol):
    """Who may be waiting for messages of a queue."""

    def notice(self) -> bool:
        """Wake up for a message; False if it was not waiting or could not take any. Under the hub's lock."""
        ...


class MemoryQueue:
    """What waits in one queue: what came back goes out first, at its old place."""

    def __init__(self, name: str, owner: object, *, single: bool = False) -> None:
        self.name = name
        self.owner = owner
        self.single = single
        self.watchers: list[Watcher] = []
        self._fresh: deque[Message] = deque()
        self._returned: list[Message] = []

    def __len__(self) -> int:
        return len(self._fresh) + len(self._returned)

    def put(self, message: Message) -> None:
        """Add a new message at the end."""
        self._fresh.append(message)

    def put_back(self, message: Message) -> None:
        """Return a message that had been taken."""
        place, body, headers, _ = message
        heapq.heappush(self._returned, (place, body, headers, True))

    def get(self) -> Message:
        """Take the next message. Raises `IndexError` if there is none."""
        return heapq.heappop(self._returned) if self._returned else self._fresh.popleft()

    def serves(self, watcher: Watcher) -> bool:
        """Say whether a subscription may take from this queue now."""
        return not self.single or self.watchers[0] is watcher

    def step_back(self, watcher: Watcher) -> None:
        """Let the others go first from now on."""
        self.watchers.remove(watcher)
        self.watchers.append(watcher)

    def clear(self) -> int:
        """Throw everything away; give the number."""
        number = len(self)
        self._fresh.clear()
        self._returned.clear()
        return number

    def announce(self, number: int) -> None:
        """Wake as many waiting subscriptions as there are new messages, and no more."""
        for watcher in self.watchers[:1] if self.single else self.watchers:
            if number <= 0:
                break
            number -= watcher.notice()


class MemoryHub:
    """The exchanges and queues that several connections share. Its lock guards everything in it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.queues: dict[str, MemoryQueue] = {}
        self._exchanges: dict[str, str] = {}
        self._bindings: dict[str, set[tuple[str, str]]] = {}
        self._places = itertools.count()

    def declare(self, topology: Topology, owner: object) -> None:
        """Make what is missing. Raises `BrokerRefusedError` where something exists with other properties."""
        for name, kind in topology.exchanges.items():
            if self._exchanges.setdefault(name, kind) != kind:
                raise BrokerRefusedError(f"exchange {name!r} exists with type {self._exchanges[name]!r}, not {kind!r}")
        for queue in topology.queues:
            self._declare_queue(queue, owner)

    def queue(self, name: str, user: object) -> MemoryQueue:
        """Give a queue that `user` may read. Raises `BrokerRefusedError`."""
        queue = self.queues.get(name)
        if queue is None:
            raise BrokerRefusedError(f"memory: there is no queue {name!r}")
        if queue.owner not in (None, user):
            raise BrokerRefusedError(f"memory: queue {name!r} is exclusive to another connection")
        return queue

    def publish(self, message: Outgoing) -> Iterator[MemoryQueue]:
        """Put a message into every queue that it is routed to, and give those."""
        for queue in self._route(message.exchange, message.key):
            queue.put((next(self._places), message.body, message.headers, False))
            yield queue

    def forget(self, owner: object) -> None:
        """Delete the exclusive queues of a connection that closes."""
        gone = {name for name, queue in self.queues.items() if queue.owner is owner}
        for name in gone:
            del self.queues[name]
        for bindings in self._bindings.values():
            bindings.difference_update([bound for bound in bindings if bound[1] in gone])

    def _declare_queue(self, wanted: Queue, owner: object) -> None:
        present = self.queues.get(wanted.name)
        if present is None:
            owned_by = owner if wanted.exclusive else None
            self.queues[wanted.name] = MemoryQueue(wanted.name, owned_by, single=wanted.single)
        elif present.owner is not (owner if wanted.exclusive else None):
            raise BrokerRefusedError(f"memory: queue {wanted.name!r} exists, exclusive to another or to nobody")
        if wanted.exchange:
            if wanted.exchange not in self._exchanges:
                raise BrokerRefusedError(f"memory: there is no exchange {wanted.exchange!r}")
            self._bindings.setdefault(wanted.exchange, set()).add((wanted.binding, wanted.name))

    def _route(self, exchange: str, key: str) -> Iterable[MemoryQueue]:
        if not exchange:
            queue = self.queues.get(key)
            return (queue,) if queue is not None else ()
        kind = self._exchanges.get(exchange)
        if kind is None:
            raise BrokerRefusedError(f"memory: there is no exchange {exchange!r}")
        fits = _topic_fits if kind == "topic" else str.__eq__
        names = {name for binding, name in self._bindings.get(exchange, ()) if fits(binding, key)}
        return [self.queues[name] for name in sorted(names)]


def _topic_fits(binding: str, key: str) -> bool:
    """Match a topic binding, in which `*` stands for one word and `#` for any number of them."""
    return _words_fit(binding.split("."), key.split("."))


def _words_fit(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(_words_fit(rest, words[start:]) for start in range(len(words) + 1))
    return bool(words) and first in ("*", words[0]) and _words_fit(rest, words[1:])
