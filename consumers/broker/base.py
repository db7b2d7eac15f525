"""The broker contract: what the machine needs of a message broker, and nothing that only one of them has.

A message is a hint (PostgreSQL is the truth), so the contract promises at-least-once delivery of what was
confirmed, in queue order apart from redeliveries, and no more. One contract test suite runs over every
implementation.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ...statemachine.records import Record


class BrokerUnavailableError(Exception):
    """The broker cannot be reached just now. The text says which one and why; trying again is right."""


class Outgoing(Record):
    """A message to publish. `exchange` "" with a queue's name as `key` reaches that queue."""

    key: str
    body: bytes
    exchange: str = ""
    mandatory: bool = True
    headers: dict[str, str] = {}


class Delivery(Record):
    """A message as it came. `tag` belongs to the subscription that took it and to nobody else."""

    queue: str
    body: bytes
    tag: int
    redelivered: bool = False
    headers: dict[str, str] = {}


class Queue(Record):
    """A queue to declare and bind. `limited` asks for the delivery limit (work only).

    `exclusive` queues (a worker's control queue) vanish with the connection that declared them. A message that
    a queue gives up on goes to the topology's dead-letter queue.
    """

    name: str
    exchange: str = ""
    binding: str = ""
    limited: bool = False
    exclusive: bool = False


class Topology(Record):
    """All exchanges (name -> `direct` or `topic`) and queues of one instance, and where the dead go."""

    exchanges: dict[str, str]
    queues: tuple[Queue, ...]
    dead: str


class Subscription(Protocol):
    """A consumer of several queues, earlier ones first where several have messages waiting here.

    All methods may be called from any thread, but one thread takes. After a lost connection the subscription
    comes back by itself; acks for deliveries of the dead channel are dropped (the broker redelivers those).
    """

    def take(self, limit: int, wait_s: float) -> list[Delivery]:
        """Give up to `limit` deliveries; wait up to `wait_s` seconds for the first, then never longer."""
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these are dealt with."""
        ...

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Return these to their queue, to be delivered again (marked `redelivered`)."""
        ...

    def reject(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Send these to the dead-letter queue, with the reason in the header `headframe-reason`."""
        ...

    def pause(self) -> None:
        """Stop deliveries: on return none is on its way; those not yet taken have gone back to their queue."""
        ...

    def resume(self) -> None:
        """Let deliveries come again."""
        ...

    def wake(self) -> None:
        """Let a `take` that waits return at once, with what there is."""
        ...

    def close(self) -> None:
        """Stop consuming. Untaken and unacknowledged deliveries go back to their queues."""
        ...


class Broker(Protocol):
    """A connection to a broker, safe to share between threads, that reconnects by itself."""

    def declare(self, topology: Topology) -> None:
        """Make exchanges, queues and bindings; harmless where they exist. Before any publish or subscribe."""
        ...

    def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        """Publish with confirms; True at a place means confirmed and routed. Raises `BrokerUnavailableError`.

        After that error any of the messages may or may not have been sent.
        """
        ...

    def subscribe(self, queues: Sequence[str], prefetch: int) -> Subscription:
        """Consume from these queues, the first ones first, with at most `prefetch` unacknowledged (0: 1000)."""
        ...

    def depth(self, queue: str) -> int:
        """Count the messages that wait in a queue (ready ones only). Raises `BrokerUnavailableError`."""
        ...

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue; give the number."""
        ...

    def ready(self) -> bool:
        """Say whether a round trip to the broker worked lately."""
        ...

    def close(self) -> None:
        """Close subscriptions and connection. Idempotent."""
        ...


def headers_of(values: Mapping[str, object] | None) -> dict[str, str]:
    """Keep the text headers of a message."""
    return {name: value for name, value in (values or {}).items() if isinstance(value, str)}
