"""The parking queue: what the broker or a worker gave up goes into the dead letters, and out again when asked."""

import threading
import time
from collections.abc import Iterable, Sequence

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...consumers.broker import Broker, BrokerUnavailableError, Delivery, Names, Outgoing
from ...statemachine.database import first_line, is_passing
from ...statemachine.store import letters
from ...statemachine.store.letters import Asked, keep
from ...statemachine.store.undelivered import take_back
from ..monitor.loop import Loop
from . import trail
from .parked import Parked, read

log = structlog.get_logger("headframe.parking")
PREFETCH = 10
"""Few, for a body may be as large as RabbitMQ allows."""
TOGETHER = 4 * 1024 * 1024
"""Bytes of bodies that go into one transaction."""
ROOM = 20
LOOK_S = 5.0
OWN_HEADERS = ("x-", "headframe-")


class Parking:
    """Drains the parking queue and does the replays; any number may run at once."""

    def __init__(
        self, engine: Engine, broker: Broker, names: Names, look_s: float = LOOK_S, loop: Loop | None = None
    ) -> None:
        self.engine, self.broker, self.names, self.look_s = engine, broker, names, look_s
        self.subscription = broker.subscribe([names.dead], prefetch=PREFETCH)
        self._looked = float("-inf")
        self.loop = loop or Loop()

    def wake(self) -> None:
        """Look for replays now: an operator has asked for some."""
        self._looked = float("-inf")
        self.subscription.wake()

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        while not stop.is_set():
            self.loop.beat()
            try:
                self.turn(1.0)
            except (SQLAlchemyError, BrokerUnavailableError) as error:
                seconds = self.loop.missed(error)
                if not (isinstance(error, BrokerUnavailableError) or is_passing(error)):
                    log.error("dead letters wait", cause=first_line(error), seconds=seconds)
                self.loop.rest(stop, seconds)
        self.subscription.close()

    def turn(self, wait_s: float) -> int:
        """Put away what waits, and do the replays asked for when it is time; give the number put away."""
        deliveries = self.subscription.take(PREFETCH, wait_s)
        for together in _bounded(deliveries):
            self._put_away(together)
        if time.monotonic() - self._looked >= self.look_s:
            self._looked = time.monotonic()
            self._replay()
        return len(deliveries)

    def _put_away(self, deliveries: Sequence[Delivery]) -> None:
        parked = [read(delivery, self.names) for delivery in deliveries]
        try:
            self._commit(parked)
        except BaseException:
            self.subscription.give_back(deliveries)
            raise
        self.subscription.ack(deliveries)
        for each in parked:
            trail.dead(each)

    def _commit(self, parked: Sequence[Parked]) -> None:
        with self.engine.begin() as connection:
            taken = take_back(connection, [item for each in parked for item in each.items])
            keep(connection, [each.letter for each in parked])
        if taken:
            log.info("items of lost work are ready again", items=taken)

    def _replay(self) -> None:
        """Send again what somebody asked for, in bounded transactions that hold its rows meanwhile."""
        more = True
        while more:
            with self.engine.begin() as connection:
                wanted = letters.asked(connection, ROOM)
                files = [each.id for each in wanted if not each.queue]
                messages = [each for each in wanted if each.queue]
                sent = self.broker.publish([_again(each) for each in messages]) if messages else []
                went = [each.id for each, ok in zip(messages, sent, strict=True) if ok]
                stuck = [each.id for each, ok in zip(messages, sent, strict=True) if not ok]
                letters.replayed(connection, [*files, *went])
                letters.unroutable(connection, stuck, "its queue is not there any more")
            self.loop.met()
            more = len(wanted) == ROOM
            if wanted:
                log.info("dead letters tried again", sent=len(went), files=len(files), unroutable=len(stuck))


def _again(asked: Asked) -> Outgoing:
    headers = {name: value for name, value in asked.headers.items() if not name.startswith(OWN_HEADERS)}
    return Outgoing(key=asked.queue, body=asked.body, headers=headers)


def _bounded(deliveries: Sequence[Delivery]) -> Iterable[list[Delivery]]:
    """Split deliveries so that not too much goes into one transaction."""
    together: list[Delivery] = []
    for delivery in deliveries:
        if together and sum(len(each.body) for each in together) + len(delivery.body) > TOGETHER:
            yield together
            together = []
        together.append(delivery)
    if together:
        yield together
