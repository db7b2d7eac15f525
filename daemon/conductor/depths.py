"""What the broker holds, kept in PostgreSQL: the pages never meet the broker."""

import threading
from collections.abc import Iterable

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...consumers.broker import Broker, BrokerRefusedError, BrokerUnavailableError, Names
from ...consumers.broker.topology import SETTLE, WorkQueue
from ...statemachine.database import first_line
from ...statemachine.lanes import LANES
from ...statemachine.store.depths import Depth, due, keep
from ..monitor.loop import Loop

log = structlog.get_logger("headframe.depths")
EVERY_S = 3.0


class Depths:
    """Asks how full each queue is. Beside others at it, each looks only when nobody has done so for `every_s`."""

    def __init__(
        self,
        engine: Engine,
        broker: Broker,
        names: Names,
        steps: Iterable[str],
        every_s: float = EVERY_S,
        loop: Loop | None = None,
    ) -> None:
        self.loop = loop or Loop()
        self.engine, self.broker, self.every_s = engine, broker, every_s
        self.queues = queues(names, steps)

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop; while a server is away what is there grows old, and pages show it so."""
        seconds = self.every_s
        while not self.loop.rest(stop, seconds):
            seconds = self.every_s
            try:
                self.look()
                self.loop.met()
            except (SQLAlchemyError, BrokerUnavailableError) as error:
                seconds = max(seconds, self.loop.missed(error))
                log.debug("queues are not looked at", cause=first_line(error))

    def look(self) -> bool:
        """Look at all queues and write down what they have; False where somebody else just did."""
        with self.engine.begin() as connection:
            if not due(connection, self.every_s):
                return False
        found = [self._asked(queue) for queue in self.queues]
        with self.engine.begin() as connection:
            keep(connection, found)
        return True

    def _asked(self, queue: Depth) -> Depth:
        try:
            held = self.broker.held(queue.queue)
        except BrokerRefusedError:
            return queue  # it is not there; who needs it makes it
        return Depth(
            queue=queue.queue,
            kind=queue.kind,
            step=queue.step,
            lane=queue.lane,
            messages=held.messages,
            consumers=held.consumers,
        )


def queues(names: Names, steps: Iterable[str]) -> tuple[Depth, ...]:
    """Name all queues that have to be there, but for the workers' own."""
    found = [Depth(queue=each.name, kind=_kind(each), step=each.step, lane=each.lane) for each in names.works(steps)]
    found += [Depth(queue=names.reports(lane), kind="reports", lane=lane) for lane in LANES]
    return (*found, Depth(queue=names.arrivals, kind="arrivals"), Depth(queue=names.dead, kind="dead"))


def _kind(queue: WorkQueue) -> str:
    if queue.step == SETTLE:
        return "settle"
    return "large" if queue.large else "work"
