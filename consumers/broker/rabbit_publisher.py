"""Publishing with confirms in bulk: everything goes out at once, the confirms are counted as they come."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pika

from .base import BrokerUnavailableError, Outgoing
from .rabbit_io import Channel, explain
from .rabbit_link import Link

WINDOW = 2000
"""The most messages that are on their way without a confirm: it bounds memory, and keeps heartbeats going."""


@dataclass(eq=False)
class Batch:
    """One call's messages. `done` comes with the last confirm."""

    messages: Sequence[Outgoing]
    done: asyncio.Future[None]
    results: list[bool] = field(init=False)
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.results = [True] * len(self.messages)
        self.left = len(self.messages)

    def confirm(self, index: int, ok: bool) -> None:
        """Note the broker's answer for one message."""
        self.results[index] &= ok
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


class Publisher:
    """Publishes over one link. All of it happens in the I/O thread's loop, in the order of the calls.

    `on_return` is told the key of each message that no queue wanted.
    """

    def __init__(self, link: Link, on_return: Callable[[str], None]) -> None:
        self._link = link
        self._on_return = on_return
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()
        self._backlog: deque[tuple[Batch, int]] = deque()
        self._unconfirmed: dict[int, tuple[Batch, int]] = {}
        self._sent = 0
        link.on_change = self._pump

    async def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        """Publish and wait for all confirms. Raises `BrokerUnavailableError`."""
        if not messages:
            return []
        await self._open()
        batch = Batch(messages, asyncio.get_running_loop().create_future())
        self._backlog.extend((batch, index) for index in range(len(messages)))
        self._pump()
        try:
            await batch.done
        finally:
            if not batch.done.done() or batch.done.cancelled():  # the caller waits no longer
                self._backlog = deque(entry for entry in self._backlog if entry[0] is not batch)
        return batch.results

    async def _open(self) -> None:
        async with self._opening:
            if self._channel is not None and not self._channel.closed.done():
                return
            channel = await self._link.channel()
            await channel.call("confirm_delivery", ack_nack_callback=partial(self._on_answer, channel))
            channel.raw.add_on_return_callback(partial(self._on_returned, channel))
            channel.closed.add_done_callback(lambda closed: self._on_closed(channel, closed.result()))
            self._sent = 0
            self._channel = channel

    def _pump(self) -> None:
        channel = self._channel
        if channel is None or channel.closed.done():
            return
        try:
            while self._backlog and len(self._unconfirmed) < WINDOW and not self._link.blocked:
                batch, index = self._backlog.popleft()
                if not batch.done.done():
                    self._send(channel.raw, batch, index)
        except Exception as error:  # also of a message that cannot be encoded: then the count of the sent is wrong
            self._on_closed(channel, explain(error))
            channel.give_up(explain(error))

    def _send(self, raw: Any, batch: Batch, index: int) -> None:
        message = batch.messages[index]
        self._sent += 1
        self._unconfirmed[self._sent] = (batch, index)
        # A returned message comes back with its properties, and without its delivery tag.
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            headers=message.headers or None,
            message_id=str(self._sent),
        )
        raw.basic_publish(message.exchange, message.key, message.body, properties, mandatory=message.mandatory)

    def _on_returned(self, channel: Channel, _: Any, method: Any, properties: Any, __: bytes) -> None:
        if channel is not self._channel:
            return  # its numbers mean other messages now
        # Comes before the confirm of the same message.
        entry = self._unconfirmed.get(int(properties.message_id))
        if entry is not None:
            batch, index = entry
            batch.results[index] = False
            self._on_return(str(method.routing_key))

    def _on_answer(self, channel: Channel, frame: Any) -> None:
        if channel is not self._channel:
            return
        method = frame.method
        ok = isinstance(method, pika.spec.Basic.Ack)
        for tag in self._answered(method.delivery_tag, bool(method.multiple)):
            batch, index = self._unconfirmed.pop(tag)
            batch.confirm(index, ok)
        self._pump()

    def _answered(self, tag: int, multiple: bool) -> list[int]:
        if not multiple:
            return [tag] if tag in self._unconfirmed else []
        answered = []
        for each in self._unconfirmed:  # in the order of sending
            if each > tag:
                break
            answered.append(each)
        return answered

    def _on_closed(self, channel: Channel, reason: BrokerUnavailableError) -> None:
        if channel is not self._channel:
            return
        batches = [batch for batch, _ in (*self._unconfirmed.values(), *self._backlog)]
        self._unconfirmed.clear()
        self._backlog.clear()
        self._channel = None
        for batch in batches:
            if not batch.done.done():
                batch.done.set_exception(reason)
