"""`headframe broker declare`: what RabbitMQ has of this instance's topology, and what it takes to complete it."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..consumers.broker.connect import vhost_of
from ..consumers.broker.policies import Policy, definitions, policies
from ..consumers.broker.rabbit import RabbitBroker
from ..consumers.broker.rabbit_inspect import absent
from ..statemachine.records import Record
from . import wiring
from .config import Config, ConfigError


class Part(Record):
    """An exchange, queue or policy. `state`: `there`, `missing`, `different`, or `unknown` where nobody may look."""

    what: str
    name: str
    state: str


class Declaring:
    """The topology of one instance on a real RabbitMQ. Raises `ConfigError` where the broker is in memory."""

    def __init__(self, config: Config) -> None:
        if config.broker.url == "memory:":
            raise ConfigError(["broker.url: memory: needs no declaring; set amqp(s)://..."])
        self.config = config
        self.topology = wiring.topology(config)
        self.policies = policies(wiring.names(config), config.broker.delivery_limit)
        self.vhost = vhost_of(config.broker.url)
        self.management = wiring.management(config)

    def look(self) -> list[Part]:
        """Say what is there and what is not. Changes nothing, and needs no right to change anything."""
        broker = self._connected()
        try:
            missing = set(absent(broker, self.topology))
        finally:
            broker.close()
        things = [("exchange", name) for name in self.topology.exchanges]
        things += [("queue", queue.name) for queue in self.topology.queues]
        parts = [Part(what=w, name=n, state="missing" if (w, n) in missing else "there") for w, n in things]
        return [*parts, *self._policies()]

    def declare(self, parts: Sequence[Part]) -> Iterator[Part]:
        """Make what is missing; give what was made or set. Policies first: no queue is ever without."""
        for policy in self.policies:
            part = next(part for part in parts if part.name == policy.name)
            if self.management is not None and part.state != "there":
                self.management.set_policy(policy)
                yield Part(what="policy", name=policy.name, state="set")
        broker = self._connected(wiring.DAEMON_S)  # a queue takes its time to be made
        try:
            broker.declare(self.topology)
        finally:
            broker.close()
        for part in parts:
            if part.what != "policy" and part.state == "missing":
                yield msgspec.structs.replace(part, state="made")

    def commands(self) -> list[str]:
        """Give the commands by which an administrator sets the policies."""
        return [policy.command(self.vhost) for policy in self.policies]

    def definitions(self) -> dict[str, Any]:
        """Give everything as a file for `rabbitmqctl import_definitions`."""
        return definitions(self.topology, self.policies, self.vhost)

    def _policies(self) -> list[Part]:
        if self.management is None:
            return [Part(what="policy", name=policy.name, state="unknown") for policy in self.policies]
        present = self.management.policies()
        return [Part(what="policy", name=policy.name, state=_state(policy, present)) for policy in self.policies]

    def _connected(self, timeout_s: float = wiring.COMMAND_S) -> RabbitBroker:
        broker = wiring.connected(self.config, "declare", timeout_s)
        assert isinstance(broker, RabbitBroker)  # noqa: S101 (memory is refused above)  # nosec B101
        return broker


def _state(policy: Policy, present: dict[str, dict[str, Any]]) -> str:
    found = present.get(policy.name)
    if found is None:
        return "missing"
    wanted = policy.body()
    return "there" if all(found.get(key) == value for key, value in wanted.items()) else "different"
