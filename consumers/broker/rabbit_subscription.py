"""A subscription on RabbitMQ: a channel of its own, which is opened again whenever it is lost."""

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from .base import BrokerRefusedError, BrokerUnavailableError, Delivery, headers_of
from .inbox import Inbox
from .rabbit_flow import Flow, Pull, Push
from .rabbit_io import Channel, IoThread
from .rabbit_link import Link, backoff

log = logging.getLogger(__name__)
PAUSE_S = 15.0


class RabbitSubscription:
    """Deliveries of some queues. Underscored coroutines and `_held` belong to the I/O thread's loop.

    `mend` declares anew what the broker may have lost; `bury` publishes dead letters.
    """

    def __init__(
        self,
        io: IoThread,
        link: Link,
        queues: Sequence[str],
        prefetch: int,
        mend: Callable[[], Awaitable[None]],
        bury: Callable[[Sequence[Delivery], str], None],
    ) -> None:
        self._io, self._link = io, link
        self._queues, self._prefetch = tuple(dict.fromkeys(queues)), prefetch
        self._mend, self._bury = mend, bury
        self._inbox = Inbox(self._queues)
        self._held: dict[int, int] = {}
        self._tags = itertools.count(1)
        self._channel: Channel | None = None
        self._session = 0
        self._flow: Flow | None = None
        self._paused = False
        self._turn = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._closing = threading.Lock()
        self.closed = False

    def take(self, limit: int, wait_s: float) -> list[Delivery]:
        """Give up to `limit` deliveries; wait up to `wait_s` seconds for the first."""
        return self._inbox.take(limit, wait_s)

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge these, soon."""
        self._io.soon(self._settle, [each.tag for each in deliveries], "basic_ack", {})

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Return these, soon."""
        self._io.soon(self._settle, [each.tag for each in deliveries], "basic_nack", {"requeue": True})

    def reject(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Publish the dead letters, then acknowledge."""
        held = [each for each in deliveries if each.tag in self._held]  # others come again, and are rejected then
        self._bury(held, reason)
        self.ack(held)

    def pause(self) -> None:
        """Stop deliveries; a channel that does not answer is given up."""
        try:
            self._io.run(self._pause(), PAUSE_S, lambda: "no answer")
        except BrokerUnavailableError:
            self._io.soon(self._give_up)

    def resume(self) -> None:
        """Let deliveries come again."""
        try:
            self._io.run(self._resume(), PAUSE_S, lambda: "no answer")
        except BrokerUnavailableError:
            self._io.soon(self._give_up)

    def wake(self) -> None:
        """End the present or the next wait."""
        self._inbox.wake()

    def close(self) -> None:
        """Close the channel, upon which the broker takes back what is not acknowledged."""
        with self._closing:
            if self.closed:
                return
            self.closed = True
        self._inbox.close()
        try:
            self._io.run(self._close(), 5.0, lambda: "no answer")
        except BrokerUnavailableError as error:
            log.info("subscription to %s not closed in an orderly way: %s", ", ".join(self._queues), error)

    async def open(self) -> None:
        """Subscribe for the first time, and then stay subscribed. Raises `BrokerUnavailableError`."""
        channel = await self._open()
        self._keeper = asyncio.get_running_loop().create_task(self._keep(channel))

    async def _open(self) -> Channel:
        channel = await self._link.channel()
        async with self._turn:
            deliver = partial(self._on_message, channel)
            if self._prefetch >= len(self._queues):
                self._flow = Push(channel, self._queues, self._prefetch, deliver)
            else:
                self._flow = Pull(channel, self._queues, lambda: len(self._held) < self._prefetch, deliver)
            self._channel = channel
            self._session += 1
            channel.closed.add_done_callback(lambda _: self._forget(channel))
            channel.raw.add_on_cancel_callback(lambda _: channel.raw.is_open and channel.raw.close())
            if not self._paused:
                await self._flow.start()
        return channel

    async def _keep(self, channel: Channel) -> None:
        while True:
            await asyncio.wait([channel.closed])
            log.info("subscription to %s lost: %s", ", ".join(self._queues), channel.closed.result())
            channel = await self._reopen()
            log.info("subscription to %s is back", ", ".join(self._queues))

    async def _reopen(self) -> Channel:
        for attempt in itertools.count():
            try:
                await self._mend()
                return await self._open()
            except BrokerUnavailableError as error:
                level = logging.WARNING if isinstance(error, BrokerRefusedError) and attempt == 3 else logging.DEBUG
                log.log(level, "subscription to %s: %s; trying again", ", ".join(self._queues), error)
            await asyncio.sleep(backoff(attempt))
        raise AssertionError

    async def _pause(self) -> None:
        self._paused = True
        async with self._turn:
            if self._flow is not None:
                try:
                    await self._flow.stop()
                except BrokerUnavailableError:
                    return  # the channel is lost, and with it everything on its way
            self._settle([each.tag for each in self._inbox.empty()], "basic_nack", {"requeue": True})

    async def _resume(self) -> None:
        async with self._turn:
            paused, self._paused = self._paused, False
            if paused and self._flow is not None:
                with contextlib.suppress(BrokerUnavailableError):  # the channel is lost; the next one is started
                    await self._flow.start()

    async def _close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        if self._channel is not None:
            await self._channel.close()

    def _give_up(self) -> None:
        if self._channel is not None:
            channel = self._channel
            channel.abandon(BrokerUnavailableError("no answer"))
            if channel.raw.is_open:
                channel.raw.close()

    def _forget(self, channel: Channel) -> None:
        if channel is self._channel:
            flow, self._channel, self._flow = self._flow, None, None
            self._held.clear()
            self._inbox.empty()
            if flow is not None:
                flow.stir()  # it meets the closed channel, and ends

    def _on_message(self, channel: Channel, queue: str, method: Any, properties: Any, body: bytes) -> None:
        if channel is not self._channel:
            return
        tag = next(self._tags)
        self._held[tag] = method.delivery_tag
        headers = headers_of(properties.headers)
        again = bool(method.redelivered)
        self._inbox.put(
            Delivery(queue=queue, body=body, tag=tag, redelivered=again, headers=headers, session=self._session)
        )

    def _settle(self, tags: Iterable[int], method: str, how: dict[str, object]) -> None:
        """Acknowledge or return; tags of a dead channel are not held any more."""
        if self._channel is None or not self._channel.raw.is_open:
            return
        settled = {tag for tag in tags if tag in self._held}
        act = getattr(self._channel.raw, method)
        upto = 0
        for tag in self._held:  # the oldest ones in one go, if there is no gap
            if tag not in settled:
                break
            upto = tag
        if upto:
            act(self._held[upto], multiple=True, **how)
        for tag in sorted(settled):
            amqp_tag = self._held.pop(tag)
            if tag > upto:
                act(amqp_tag, **how)
        if self._flow is not None:
            self._flow.stir()
