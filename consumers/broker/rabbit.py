"""The broker contract over RabbitMQ: two connections, served by one I/O thread.

One connection publishes and the other one does the rest, because under a memory or disk alarm RabbitMQ stops to
read from connections that publish: acknowledgements sent over the same one would be stuck, and queues could
not drain.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

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
from .connect import Endpoint
from .rabbit_declare import Declarer
from .rabbit_io import IoThread, quiet_pika
from .rabbit_link import Link
from .rabbit_publisher import Publisher
from .rabbit_subscription import RabbitSubscription

T = TypeVar("T")
log = logging.getLogger(__name__)
MEND_EVERY_S = 2.0


class RabbitBroker:
    """A RabbitMQ node or cluster, safe to share between threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        quiet_pika()
        self._endpoint = endpoint
        self._changes = threading.Lock()
        self._topologies: list[Topology] = []
        self._names: set[str] = set()
        self._subscriptions: list[RabbitSubscription] = []
        self._mended = float("-inf")
        self._mending: asyncio.Task[None] | None = None
        self._closed = False
        self._declarer = Declarer(endpoint.user)
        self._links = [Link(endpoint, "consumes", self._declare_all), Link(endpoint, "publishes", _nothing)]
        self._consuming, self._publishing = self._links
        self._publisher = Publisher(self._publishing, self._on_return)
        self._io = IoThread(endpoint.name)
        self._io.soon(self._consuming.start)

    @property
    def endpoint(self) -> Endpoint:
        """Say where it is and how to sign in."""
        return self._endpoint

    def __repr__(self) -> str:
        return f"RabbitBroker({self._endpoint})"

    def declare(self, topology: Topology) -> None:
        """Declare, and remember it for the next connection."""
        self._run(self._declare(topology))
        with self._changes:
            self._topologies = [each for each in self._topologies if each != topology] + [topology]
            self._names |= {queue.name for queue in topology.queues}

    def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        """Publish and wait for the confirms."""
        return self._run(self._publish(messages), self._publishing)

    def subscribe(self, queues: Sequence[str], prefetch: int) -> RabbitSubscription:
        """Consume from these queues."""
        prefetch = prefetch or DEFAULT_PREFETCH
        made = RabbitSubscription(self._io, self._consuming, queues, prefetch, self._mend, self._bury)
        try:
            self._run(made.open())
        except BrokerUnavailableError:
            made.close()
            raise
        with self._changes:
            self._subscriptions = [each for each in self._subscriptions if not each.closed] + [made]
        return made

    def depth(self, queue: str) -> int:
        """Count what waits."""
        return self.held(queue).messages

    def held(self, queue: str) -> Held:
        """Say what waits, and how many consume."""
        found = self._run(self._ask("queue_declare", queue, passive=True)).method
        return Held(messages=found.message_count, consumers=found.consumer_count)

    def purge(self, queue: str) -> int:
        """Throw away what waits."""
        count: int = self._run(self._ask("queue_purge", queue)).method.message_count
        return count

    def ready(self) -> bool:
        """Say whether a round trip worked lately on each connection that is in use."""
        return not self._closed and all(link.alive() for link in self._links if link.started)

    def close(self) -> None:
        """Close subscriptions, connections and thread, in this order, so that the last acks are sent."""
        if self._closed:
            return
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
        for link in self._links:
            try:
                self._io.run(link.close(), 2.0, link.trouble)
            except BrokerUnavailableError:
                continue  # the broker will notice by itself
        self._io.stop()

    def _run(self, work: Coroutine[Any, Any, T], link: Link | None = None) -> T:
        if self._closed:
            work.close()
            raise BrokerUnavailableError(f"{self._endpoint}: this connection is closed")
        try:
            return self._io.run(work, self._endpoint.timeout_s, (link or self._consuming).trouble)
        except BrokerUnavailableError as error:
            where = str(self._endpoint)
            raise type(error)(str(error) if where in str(error) else f"{where}: {error}") from error

    def inspect(self, look: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine over pika's connection, in the I/O thread: for what only a start-up check asks."""

        async def over() -> T:
            return await look(await self._consuming.connection())

        return self._run(over())

    async def _publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        self._publishing.start()
        return await self._publisher.publish(messages)

    async def _ask(self, method: str, queue: str, **arguments: object) -> Any:
        """Ask one thing over a channel of its own, because an error closes the channel."""
        channel = await self._consuming.channel()
        try:
            return await channel.call(method, queue=queue, **arguments)
        finally:
            if channel.raw.is_open:
                channel.raw.close()

    async def _declare(self, topology: Topology) -> None:
        await self._declarer.declare(await self._consuming.connection(), topology)

    async def _declare_all(self, connection: Any) -> None:
        """Declare everything again, as far as the broker allows it."""
        self._mended = time.monotonic()
        for topology in self._topologies:
            try:
                await self._declarer.declare(connection, topology)
            except BrokerRefusedError as error:
                log.warning("%s: %s", self._endpoint, error)

    def _on_return(self, key: str) -> None:
        if key in self._names and (self._mending is None or self._mending.done()):
            self._mending = asyncio.get_running_loop().create_task(self._mend())

    async def _mend(self) -> None:
        """Declare everything again: a queue has vanished under us. Not more often than makes sense."""
        if time.monotonic() - self._mended > MEND_EVERY_S:
            try:
                await self._declare_all(await self._consuming.connection())
            except BrokerUnavailableError as error:
                log.debug("not declared again: %s", error)

    def _bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        if not self._topologies:
            raise BrokerRefusedError(f"{self._endpoint}: no dead-letter queue has been declared")
        dead = self._topologies[-1].dead
        letters = [dead_letter(each, dead, reason) for each in deliveries]
        sent = self.publish(letters)
        if not all(sent):
            self._run(self._mend())
            sent = self.publish([letter for letter, ok in zip(letters, sent, strict=True) if not ok])
        if not all(sent):
            raise BrokerRefusedError(f"{self._endpoint}: the dead-letter queue {dead!r} takes no messages")


async def _nothing(_: Any) -> None:
    pass
