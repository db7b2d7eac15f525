"""One AMQP connection that comes back by itself."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import ProbableAccessDeniedError, ProbableAuthenticationError

from .base import BrokerRefusedError, BrokerUnavailableError
from .connect import Endpoint
from .rabbit_io import Channel, explain, root_of, settle

log = logging.getLogger(__name__)
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
AGAIN_S = 300.0
"""After how long it is said again that a broker is still away."""


def backoff(attempt: int) -> float:
    """Give the seconds to wait after so many failures: doubling, bounded, and different for everybody.

    Without the jitter, all clients of a broker that restarts would come back at the same moments.
    """
    delay: float = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(attempt, 10))
    return delay * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)  # nosec B311


class Link:
    """A connection for one purpose. Everything but `trouble`, `alive` happens in the I/O thread's loop.

    `prepare` runs on each new connection before anybody else gets it.
    """

    def __init__(self, endpoint: Endpoint, purpose: str, prepare: Callable[[Any], Awaitable[None]]) -> None:
        self._endpoint = endpoint
        self._purpose = purpose
        self._prepare = prepare
        self._parameters = _parameters(endpoint, purpose)
        self._connection: Any = None
        self._failure: BrokerUnavailableError | None = None
        self._blocked = ""
        self._seen = self._said = float("-inf")
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.on_change: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin to connect, and go on for ever."""
        self._task = self._task or asyncio.get_running_loop().create_task(self._run())

    @property
    def started(self) -> bool:
        """Say whether this connection is in use."""
        return self._task is not None

    @property
    def blocked(self) -> bool:
        """Say whether the broker has stopped to read what is published here."""
        return bool(self._blocked)

    def alive(self) -> bool:
        """Say whether a round trip worked lately. A blocked connection's does not."""
        return time.monotonic() - self._seen < 3 * self._endpoint.probe_s and self._connection is not None

    def trouble(self) -> str:
        """Say in a sentence what keeps this connection from answering."""
        if self._blocked:
            return f"{self._endpoint} takes no messages at present: {self._blocked}"
        if self._connection is None:
            return str(self._failure or f"{self._endpoint}: not connected yet")
        return f"{self._endpoint}: no answer within {self._endpoint.timeout_s:g} s"

    async def channel(self) -> Channel:
        """Open a channel, when the connection is up. Raises as `connection` does."""
        return await Channel.open(await self.connection())

    async def connection(self) -> Any:
        """Give pika's connection, when it is up. Raises `BrokerRefusedError` where it was refused."""
        while self._connection is None:
            if isinstance(self._failure, BrokerRefusedError):
                raise BrokerRefusedError(str(self._failure))
            await self._changed.wait()
        return self._connection

    async def close(self) -> None:
        """Say good-bye to the broker, and stop."""
        self._closing = True
        if self._task is None:
            return
        if self._connection is not None and self._connection.is_open:
            self._connection.close()
            await asyncio.wait([self._task], timeout=1)
        self._task.cancel()

    async def _run(self) -> None:
        attempt = 0
        while not self._closing:
            lost: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
            try:
                connection = await self._connect(attempt, lost)
                if await self._serve(connection, lost):
                    attempt = 0
                raise self._explain(await lost)
            except BrokerUnavailableError as error:
                if not self._closing:
                    self._report(error)
                self._set(None, error)
            except Exception as error:  # this task is all that ever connects: it must not end
                log.exception("%s: connecting failed in an unexpected way", self._endpoint)
                self._set(None, BrokerUnavailableError(f"{self._endpoint}: {error!r}"))
            await asyncio.sleep(0 if self._closing else backoff(attempt))
            attempt += 1

    async def _serve(self, connection: Any, lost: "asyncio.Future[BaseException]") -> bool:
        """Make a round trip now and then, until the connection is lost; say whether it was ever of use."""
        useful = False
        try:
            await self._prepare(connection)
            while not lost.done():
                await (await Channel.open(connection)).close()
                if not useful:
                    useful = True
                    self._set(connection, None)
                self._seen = time.monotonic()
                await asyncio.wait([lost], timeout=self._endpoint.probe_s)
        except BrokerUnavailableError as error:
            log.debug("%s: %s", self._endpoint, error)
        finally:
            if connection.is_open:
                connection.close()
        return useful

    async def _connect(self, attempt: int, lost: "asyncio.Future[BaseException]") -> Any:
        opened: asyncio.Future[BrokerUnavailableError | None] = asyncio.get_running_loop().create_future()
        connection = AsyncioConnection(
            self._parameters[attempt % len(self._parameters)],
            on_open_callback=lambda _: settle(opened, None),
            on_open_error_callback=lambda _, error: settle(opened, self._explain(error)),
            on_close_callback=lambda _, error: settle(lost, error),
            custom_ioloop=asyncio.get_running_loop(),
        )
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        failure = await opened
        if failure is not None:
            raise failure
        return connection

    def _on_blocked(self, _: Any, frame: Any) -> None:
        self._blocked = str(frame.method.reason)
        log.warning("%s takes no messages at present: %s", self._endpoint, self._blocked)
        self._notify()

    def _on_unblocked(self, *_: Any) -> None:
        self._blocked = ""
        log.info("%s takes messages again", self._endpoint)
        self._notify()

    def _set(self, connection: Any, failure: BrokerUnavailableError | None) -> None:
        if connection is not None and self._failure is not None:
            log.info("%s: what %s is connected again", self._endpoint, self._purpose)
        self._connection, self._failure, self._blocked = connection, failure, ""
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        self.on_change()

    def _report(self, error: BrokerUnavailableError) -> None:
        now = time.monotonic()
        known = type(error) is type(self._failure) and now - self._said < AGAIN_S
        self._said = self._said if known else now
        log.log(
            logging.DEBUG if known else logging.WARNING,
            "waiting for the broker: %s; trying again to connect what %s",
            error,
            self._purpose,
        )

    def _explain(self, error: BaseException) -> BrokerUnavailableError:
        root = root_of(error)
        user = self._endpoint.user or "(none)"
        if isinstance(root, ProbableAuthenticationError):
            return BrokerRefusedError(
                f"{self._endpoint} refuses user {user!r}: wrong user name or password; "
                "look at broker.user and broker.password_file"
            )
        if isinstance(root, ProbableAccessDeniedError):
            return BrokerRefusedError(
                f"{self._endpoint} refuses user {user!r}: no such virtual host, or no right to it; look at "
                "broker.url, or: rabbitmqctl add_vhost, set_permissions"
            )
        reason = explain(error)
        return type(reason)(f"{self._endpoint}: {reason}")


def _parameters(endpoint: Endpoint, purpose: str) -> list[pika.ConnectionParameters]:
    credentials: Any = pika.PlainCredentials(endpoint.user or "guest", endpoint.password or "guest")
    if endpoint.user is None and endpoint.tls.certfile:
        credentials = pika.credentials.ExternalCredentials()
    context = tls_context(endpoint) if endpoint.secure else None
    return [
        pika.ConnectionParameters(
            host=host,
            port=port,
            virtual_host=endpoint.vhost,
            credentials=credentials,
            heartbeat=endpoint.heartbeat_s,
            ssl_options=pika.SSLOptions(context, host) if context else None,
            client_properties={"connection_name": f"{endpoint.name} {purpose}"},
            socket_timeout=min(10.0, endpoint.timeout_s),
            stack_timeout=endpoint.timeout_s,
        )
        for host, port in endpoint.hosts
    ]


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Give what is asked of a TLS connection: the server's certificate is verified, always, and its name too."""
    context = ssl.create_default_context(cafile=endpoint.tls.cafile)
    if endpoint.tls.certfile:
        context.load_cert_chain(endpoint.tls.certfile, endpoint.tls.keyfile)
    return context
