"""What tests of brokers have in common."""

import time
from collections.abc import Callable

from headframe.consumers.broker import Broker, Delivery, Outgoing, Subscription


def send(broker: Broker, queue: str, *texts: str) -> None:
    """Publish these, all confirmed and routed."""
    assert all(broker.publish([Outgoing(key=queue, body=text.encode()) for text in texts]))


def gather(subscription: Subscription, number: int, within_s: float = 60) -> list[Delivery]:
    """Take until there are so many, or the time is over."""
    got: list[Delivery] = []
    end = time.monotonic() + within_s
    while len(got) < number and time.monotonic() < end:
        got += subscription.take(number - len(got), 0.1)
    return got


def gather_only(subscription: Subscription, number: int) -> list[Delivery]:
    """Take so many, and assert that no further one comes after them."""
    got = gather(subscription, number)
    assert subscription.take(10, 0.3) == []
    return got


def bodies(deliveries: list[Delivery]) -> list[str]:
    """Give the bodies as text."""
    return [each.body.decode() for each in deliveries]


def eventually(true: Callable[[], bool], within_s: float = 60) -> bool:
    """Say whether something becomes true in time."""
    end = time.monotonic() + within_s
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return found
