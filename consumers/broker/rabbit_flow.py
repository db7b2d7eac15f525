"""Two ways for messages of several queues to reach a subscription that may hold only so many.

RabbitMQ counts prefetch for each consumer, that is for each queue, and quorum queues know no other way. With
room for at least one of each queue, the room is shared out (`Push`). With less, consuming from all at once would
hold messages of queues that are not their turn, for as long as the present one takes; so one message at a time is
fetched, in the order of the queues, and consumers exist only while all queues are empty (`Pull`). They stay for as
long as messages come one by one and are done at once: to cancel and renew them costs more than such a message.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from pika.exceptions import AMQPError

from .base import BrokerUnavailableError
from .rabbit_io import Channel, explain

log = logging.getLogger(__name__)
DONE_AT_ONCE_S = 0.02
"""How long another queue's next message may be held up by one that is being dealt with."""
MOST = 65535
"""The largest prefetch that AMQP can say; 0 would mean no bound."""
Deliver = Callable[[str, Any, Any, bytes], None]
"""Called with queue, method frame, properties and body."""


class Flow(Protocol):
    """Deliveries from a channel, which can be stopped and started again."""

    async def start(self) -> None:
        """Let messages come. Raises `BrokerRefusedError` where a queue is missing."""
        ...

    async def stop(self) -> None:
        """Let none come any more: on return none is on its way."""
        ...

    def stir(self) -> None:
        """Look again whether there is room."""
        ...


class Consumers:
    """A consumer for each queue, with so much prefetch each."""

    def __init__(self, channel: Channel, shares: dict[str, int], deliver: Deliver) -> None:
        self._channel = channel
        self._shares = shares
        self._deliver = deliver
        self._tags: list[str] = []

    async def start(self) -> None:
        """Set the prefetch, which holds for consumers made after it, and consume."""
        for queue, share in self._shares.items():
            await self._channel.call("basic_qos", prefetch_count=share)
            taker = partial(self._on_message, queue)
            answer = await self._channel.call("basic_consume", queue=queue, on_message_callback=taker)
            self._tags.append(answer.method.consumer_tag)

    async def stop(self) -> None:
        """Cancel all at once; pika itself returns what comes while the cancellations are on their way."""
        tags, self._tags = self._tags, []
        try:
            for tag in tags:
                self._channel.raw.basic_cancel(tag)
        except AMQPError as error:
            raise explain(error) from error
        await self._channel.call("basic_qos", prefetch_count=1)  # its answer comes after all that was on its way

    def _on_message(self, queue: str, _: Any, method: Any, properties: Any, body: bytes) -> None:
        self._deliver(queue, method, properties, body)


class Push(Consumers):
    """Share the room out between the queues; the first ones get what does not divide."""

    def __init__(self, channel: Channel, queues: Sequence[str], prefetch: int, deliver: Deliver) -> None:
        each, rest = divmod(prefetch, len(queues))
        shares = {queue: min(each + (place < rest), MOST) for place, queue in enumerate(queues)}
        super().__init__(channel, shares, deliver)

    def stir(self) -> None:
        """Nothing to do: RabbitMQ keeps the count."""


class Pull:
    """Fetch one message at a time while there is `room`, the first queues first."""

    def __init__(self, channel: Channel, queues: Sequence[str], room: Callable[[], bool], deliver: Deliver) -> None:
        self._channel = channel
        self._queues = queues
        self._room = room
        self._deliver = deliver
        self._stirred = asyncio.Event()
        self._running = False
        self._came = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look that all queues are there, and begin."""
        for queue in self._queues:
            await self._channel.call("queue_declare", queue=queue, passive=True)
        self._running = True
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Finish the fetch under way, and stop."""
        self._running = False
        self._stirred.set()
        if self._task is not None:
            await self._task

    def stir(self) -> None:
        """Look again whether there is room."""
        self._stirred.set()

    async def _work(self) -> None:
        try:
            while self._running:
                self._stirred.clear()
                if not self._room():
                    await self._stirred.wait()
                elif not await self._fetch():
                    await self._listen()
        except BrokerUnavailableError as error:
            self._channel.give_up(error)  # it is gone, as a rule; if not, nobody would fetch over it any more
        except Exception as error:  # nobody awaits this task: without it, no message would ever come again
            log.exception("fetching from %s failed in an unexpected way", ", ".join(self._queues))
            self._channel.give_up(explain(error))

    async def _fetch(self) -> bool:
        for queue in self._queues:
            got = await self._channel.get(queue)
            if got is not None:
                self._deliver(queue, *got)
                return True
        return False

    async def _listen(self) -> None:
        """Consume from all queues until more comes than can be dealt with at once. Then all that came is kept."""
        if not self._running:
            return
        consumers = Consumers(self._channel, dict.fromkeys(self._queues, 1), self._on_message)
        self._came = 0
        await consumers.start()
        await self._stirred.wait()
        while await self._done_at_once():
            self._came = 0
            self._stirred.clear()
            await self._stirred.wait()
        await consumers.stop()

    async def _done_at_once(self) -> bool:
        """Say whether what came was one message, and there is soon room again."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DONE_AT_ONCE_S
        while self._running and self._came == 1:
            if self._room():
                return True
            self._stirred.clear()
            try:
                await asyncio.wait_for(self._stirred.wait(), end - loop.time())
            except TimeoutError:
                return False
        return False

    def _on_message(self, queue: str, method: Any, properties: Any, body: bytes) -> None:
        self._came += 1
        self._deliver(queue, method, properties, body)
        self._stirred.set()
