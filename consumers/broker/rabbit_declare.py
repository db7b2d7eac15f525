"""Declaring on RabbitMQ: make what is missing; where this user may make nothing, be content with what is there."""

from collections.abc import Mapping
from typing import Any

from .base import BrokerRefusedError, Queue, Topology
from .rabbit_io import Channel
from .topology import exchange_properties, queue_properties

DENIED, ABSENT = 403, 404
REMEDY = "an administrator runs: headframe broker declare (or loads what headframe broker declare --print prints)"
Properties = Mapping[str, Any]


class Asker:
    """Asks one thing after the other over a connection; a refusal closes a channel, so the next has a new one."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._channel: Channel | None = None

    async def ask(self, method: str, **arguments: object) -> Any:
        """Call a method of a channel. Raises `BrokerRefusedError` with the server's code."""
        if self._channel is None or not self._channel.raw.is_open:
            self._channel = await Channel.open(self._connection)
        return await self._channel.call(method, **arguments)

    async def is_there(self, what: str, name: str) -> bool:
        """Look whether an `exchange` or `queue` is there, for which RabbitMQ wants no right at all."""
        try:
            await self.ask(f"{what}_declare", **{what: name}, passive=True)
        except BrokerRefusedError as error:
            if error.code != ABSENT:
                raise
            return False
        return True

    def close(self) -> None:
        """Close the channel."""
        if self._channel is not None and self._channel.raw.is_open:
            self._channel.raw.close()


class Declarer:
    """Declares topologies; remembers whether this user may."""

    def __init__(self, user: str | None) -> None:
        self._user = user
        self._may = True

    async def declare(self, connection: Any, topology: Topology) -> None:
        """Declare everything. Raises `BrokerRefusedError` for what is otherwise, or missing with no right to make it.

        Declaring again is how a queue of another type is noticed. Once the server has said that this user may
        not, what is there is only looked at, so that its log is not filled with refusals.
        """
        asker = Asker(connection)
        try:
            for name, kind in topology.exchanges.items():
                await self._one(asker, "exchange", name, exchange_properties(kind))
            for queue in topology.queues:
                await self._one(asker, "queue", queue.name, queue_properties(queue))
                if queue.exchange:
                    await self._bind(asker, queue)
        finally:
            asker.close()

    async def _one(self, asker: Asker, what: str, name: str, properties: Properties) -> None:
        shared = not properties.get("exclusive")
        if shared and not self._may and await asker.is_there(what, name):
            return
        try:
            await asker.ask(f"{what}_declare", **{what: name}, **properties)
        except BrokerRefusedError as error:
            if error.code != DENIED:
                raise
            self._may = not shared and self._may
            if shared and await asker.is_there(what, name):
                return
            raise BrokerRefusedError(self._missing(what, name, shared=shared), DENIED) from error

    def _missing(self, what: str, name: str, *, shared: bool) -> str:
        user = f"user {self._user!r}" if self._user else "this client"
        if shared:
            return f"{what} {name!r} is missing, and {user} has no right to configure it; {REMEDY}"
        control = name.rpartition(".")[0].replace(".", r"\\.")
        return f"{user} has no right to make its own {what} {name!r}; it needs to configure '^{control}\\\\.' at least"

    async def _bind(self, asker: Asker, queue: Queue) -> None:
        try:
            await asker.ask("queue_bind", queue=queue.name, exchange=queue.exchange, routing_key=queue.binding)
        except BrokerRefusedError as error:
            if error.code != DENIED or self._may:
                raise  # who may make nothing has found both ends; nobody can look whether they are bound
