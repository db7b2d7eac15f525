"""The I/O thread, and pika's callbacks turned into something that can be awaited.

pika's connections belong to one thread and answer heartbeats only while that thread serves them; so a thread of
its own runs an asyncio loop with `AsyncioConnection`s on it, and everything else comes in through thread-safe
callbacks. Not `BlockingConnection`: it waits for each publisher confirm before the next message goes out. Not
`SelectConnection`: it has the same callbacks, but with asyncio the sequences that matter (connect, declare again,
subscribe again; pause; close) are coroutines, read from top to bottom, and can time out.
"""

import asyncio
import concurrent.futures
import logging
import re
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionClosedByBroker

from .base import BrokerRefusedError, BrokerUnavailableError

T = TypeVar("T")
REFUSALS = {403, 404, 405, 406, 530, 540}
"""AMQP reply codes that mean a mistake or a missing right, not an outage."""
WRAPPED = re.compile(r"""\w+: \(['"](.*)['"],\)""")
"""How pika quotes one exception in the text of another."""


class IoThread:
    """A thread that runs an asyncio loop, and the ways into it."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=f"{name}-io", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float, trouble: Callable[[], str]) -> T:
        """Run a coroutine in the loop and wait. Raises `BrokerUnavailableError` with `trouble()` when late."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError:
            work.close()
            raise BrokerUnavailableError("this broker connection is closed") from None
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise BrokerUnavailableError(trouble()) from None
        except concurrent.futures.CancelledError:
            raise BrokerUnavailableError("this broker connection is closed") from None

    def soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Have something called in the loop; nothing happens if it is closed."""
        try:
            self.loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            if not self.loop.is_closed():
                raise

    def stop(self) -> None:
        """End loop and thread."""
        self.soon(self.loop.stop)
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        try:
            self.loop.run_forever()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            self.loop.close()


class Channel:
    """An AMQP channel whose calls are awaited, and all fail when it closes.

    `closed` is done, with the reason, once it is closed from either side or lost with its connection.
    """

    def __init__(self, connection: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[Any]] = set()
        self.closed: asyncio.Future[BrokerUnavailableError] = self._loop.create_future()
        self._opened = self._got = self._answer()
        self.raw = connection.channel(on_open_callback=lambda _: settle(self._opened, None))
        self.raw.add_callback(lambda _: settle(self._got, None), [pika.spec.Basic.GetEmpty], one_shot=False)
        self.raw.add_on_close_callback(lambda _, reason: self.abandon(explain(reason)))

    @classmethod
    async def open(cls, connection: Any) -> "Channel":
        """Open a channel. Raises `BrokerUnavailableError`."""
        try:
            channel = cls(connection)
        except AMQPError as error:
            raise explain(error) from error
        await channel._wait(channel._opened)
        return channel

    async def call(self, method: str, **arguments: object) -> Any:
        """Call a method of pika's channel; give what it calls back with. Raises `BrokerUnavailableError`."""
        answer = self._answer()
        callback = {"callback": lambda *values: settle(answer, values[0] if len(values) == 1 else values)}
        try:
            getattr(self.raw, method)(**arguments, **callback)
        except AMQPError as error:
            self._waiting.discard(answer)
            raise explain(error) from error
        return await self._wait(answer)

    async def get(self, queue: str) -> tuple[Any, Any, bytes] | None:
        """Get one message from a queue, as (method, properties, body); None if it is empty. One at a time.

        Raises `BrokerUnavailableError`. pika looks by itself whether the channel is open in every call but this one:
        it would send it, the server would end the whole connection ("expected 'channel.open'"), or answer on a
        channel that has the same number since, where nobody expects it and the message would be stuck.
        """
        if not self.raw.is_open:
            raise BrokerUnavailableError("the channel is closed")
        self._got = self._answer()
        got: tuple[Any, Any, bytes] | None
        try:
            self.raw.basic_get(queue, lambda _, *message: settle(self._got, message))
        except AMQPError as error:
            self._waiting.discard(self._got)
            raise explain(error) from error
        got = await self._wait(self._got)
        return got

    async def close(self) -> None:
        """Close it, and wait until the broker has said that it is closed."""
        if self.raw.is_open:
            self.raw.close()
        await asyncio.wait([self.closed])

    def give_up(self, reason: BrokerUnavailableError) -> None:
        """Take it for closed, and close it: what the broker has sent over it goes back to its queues."""
        self.abandon(reason)
        if self.raw.is_open:
            self.raw.close()

    def abandon(self, reason: BrokerUnavailableError) -> None:
        """Take it for closed."""
        settle(self.closed, reason)
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(reason)
        self._waiting.clear()

    def _answer(self) -> asyncio.Future[Any]:
        answer = self._loop.create_future()
        self._waiting.add(answer)
        return answer

    async def _wait(self, answer: asyncio.Future[Any]) -> Any:
        try:
            return await answer
        finally:
            self._waiting.discard(answer)


def explain(error: BaseException) -> BrokerUnavailableError:
    """Turn what pika says into one clear sentence, of the right kind."""
    if isinstance(error, BrokerUnavailableError):
        return error
    if isinstance(error, ChannelClosedByBroker | ConnectionClosedByBroker):
        text = f"{error.reply_text} ({error.reply_code})"
        if error.reply_code in REFUSALS:
            return BrokerRefusedError(text, error.reply_code)
        return BrokerUnavailableError(text)
    cause = root_of(error)
    text = cause.args[0] if cause.args and isinstance(cause.args[0], str) else str(cause)
    if wrapped := WRAPPED.fullmatch(text):
        text = wrapped[1]
    text = text.replace("Transport indicated EOF", "the connection was closed at the other end")
    return BrokerUnavailableError(text or type(cause).__name__)


def root_of(error: BaseException) -> BaseException:
    """Give the innermost of the exceptions that pika wraps each other in."""
    for inner in (*getattr(error, "exceptions", ())[-1:], getattr(error, "exception", None), *error.args):
        if isinstance(inner, BaseException):
            return root_of(inner)
    return error


def quiet_pika() -> None:
    """Silence pika's own loggers, unless somebody has set them: what they say, we say once and in one line."""
    logger = logging.getLogger("pika")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


def settle(future: "asyncio.Future[T]", result: T) -> None:
    """Give a future its result, unless it has one or nobody waits any more."""
    if not future.done():
        future.set_result(result)
