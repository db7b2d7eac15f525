"""The broker contract: what the machine needs of a message broker, and nothing that only one of them has.

A message is a hint (PostgreSQL is the truth), so the contract promises at-least-once delivery of what was
confirmed, in queue order apart from redeliveries, and no more. One contract test suite runs over every
implementation.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ...statemachine.records import Record

REASON_HEADER = "headframe-reason"
QUEUE_HEADER = "headframe-queue"
DEFAULT_PREFETCH = 1000
LONGEST_REASON = 2000


class BrokerUnavailableError(Exception):
    """The broker cannot be reached just now. The text says which one and why; trying again is right."""


class BrokerRefusedError(BrokerUnavailableError):
    """The broker answers, but says no: a wrong password, a missing queue, a queue declared otherwise.

    A loop that tries again stays right (somebody may mend it); a start-up check can tell it from an outage.
    `code` is the server's own number for it (AMQP: 403 no right, 404 not there), 0 where it has none.
    """

    def __init__(self, sentence: str, code: int = 0) -> None:
        super().__init__(sentence)
        self.code = code


class Outgoing(Record):
    """A message to publish. `exchange` "" with a queue's name as `key` reaches that queue."""

    key: str
    body: bytes
    exchange: str = ""
    mandatory: bool = True
    headers: dict[str, str] = {}


class Delivery(Record):
    """A message as it came. `tag` belongs to the subscription that took it and to nobody else.

    `session` counts the subscription's channels: it is another one after each loss.
    """

    queue: str
    body: bytes
    tag: int
    redelivered: bool = False
    headers: dict[str, str] = {}
    session: int = 0


class Queue(Record):
    """A queue to declare and bind. `limited` asks for the delivery limit (work only).

    `exclusive` queues (a worker's control queue) vanish with the connection that declared them. A `single` queue
    delivers to one subscription at a time, the others stand by in the order in which they came; so whoever has
    dealt with a message has dealt with everything before it. A message that a queue gives up on goes to the
    topology's dead-letter queue.
    """

    name: str
    exchange: str = ""
    binding: str = ""
    limited: bool = False
    exclusive: bool = False
    single: bool = False


class Held(Record):
    """What a queue has: the messages that wait in it (ready ones only), and how many consume from it."""

    messages: int
    consumers: int


class Topology(Record):
    """All exchanges (name -> `direct` or `topic`) and queues of one instance, and where the dead go."""

    exchanges: dict[str, str]
    queues: tuple[Queue, ...]
    dead: str


class Subscription(Protocol):
    """A consumer of several queues, earlier ones first where several have messages waiting here.

    All methods may be called from any thread, but one thread takes. After a lost connection or a deleted queue
    the subscription comes back by itself; until then `take` gives nothing. What was not acknowledged is then
    redelivered, and acks (or the like) for deliveries of the dead channel, or said twice, are dropped.
    """

    def take(self, limit: int, wait_s: float) -> list[Delivery]:
        """Give up to `limit` deliveries; wait up to `wait_s` seconds for the first, then never longer.

        Returns at once, with nothing, when closed.
        """
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these are dealt with."""
        ...

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Return these to the front of their queue, in order, to be delivered again (marked `redelivered`).

        RabbitMQ 3.10 does so only in a quorum queue with a delivery limit (a million will do); without one, it
        puts them at the end. Order is no promise anyway where several consume.
        """
        ...

    def reject(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Send these to the dead-letter queue that was declared last, and acknowledge them once they are there.

        Header `headframe-reason` gets the reason, cut to 2,000 characters, and `headframe-queue` the queue they
        came from. Raises `BrokerUnavailableError`, and then they remain unacknowledged.
        """
        ...

    def pause(self) -> None:
        """Stop deliveries: on return none is on its way; those not yet taken have gone back to their queue.

        Lasts over reconnections. Acks and the like of what has been taken go on working.
        """
        ...

    def resume(self) -> None:
        """Let deliveries come again."""
        ...

    def wake(self) -> None:
        """Let the `take` that waits, or else the next one, return at once with what there is."""
        ...

    def close(self) -> None:
        """Stop consuming. Untaken and unacknowledged deliveries go back to their queues. Idempotent."""
        ...


class Broker(Protocol):
    """A connection to a broker, safe to share between threads, that reconnects by itself."""

    def declare(self, topology: Topology) -> None:
        """Make exchanges, queues and bindings; harmless where they exist. Before any publish or subscribe.

        Remembered: after a lost connection, or where a declared queue has vanished, it is declared again.
        Raises `BrokerUnavailableError`, or `BrokerRefusedError` where one exists with other properties.
        """
        ...

    def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        """Publish with confirms; True at a place means confirmed and routed. Raises `BrokerUnavailableError`.

        A message that is not `mandatory` is True though no queue wanted it. After the error any of the messages
        may or may not have been sent. `BrokerRefusedError`: there is no such exchange.
        """
        ...

    def subscribe(self, queues: Sequence[str], prefetch: int) -> Subscription:
        """Consume from these queues, the first ones first, with at most `prefetch` unacknowledged (0: 1000).

        With fewer than there are queues (1, say) the first queue that has a message is strictly preferred;
        with more, each queue has its share. Raises `BrokerRefusedError` where there is no such queue.
        """
        ...

    def depth(self, queue: str) -> int:
        """Count the messages that wait in a queue (ready ones only). Raises `BrokerUnavailableError`.

        `BrokerRefusedError`: there is no such queue.
        """
        ...

    def held(self, queue: str) -> Held:
        """Say what a queue has and who consumes from it; raises as `depth` does."""
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
    """Keep the text headers of a message, and whole numbers as text."""
    found = values or {}
    return {name: str(value) for name, value in found.items() if isinstance(value, str | int)}


def dead_letter(delivery: Delivery, dead: str, reason: str) -> Outgoing:
    """Make the dead letter of a delivery that is given up."""
    extra = {REASON_HEADER: reason[:LONGEST_REASON], QUEUE_HEADER: delivery.queue}
    return Outgoing(key=dead, body=delivery.body, headers=delivery.headers | extra)
