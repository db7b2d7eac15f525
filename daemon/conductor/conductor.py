"""The conductor's loop: take what waits, apply it in one transaction, send what became ready, acknowledge.

Commit comes before publish, publish before `submit`, and the acknowledgement last; a crash between any two
leaves items `ready` or messages unacknowledged, and both come back.

A conductor works for one lane, so that no live file waits behind a batch of bulk work: the live one takes arrivals and
live reports, the bulk one bulk reports. What a batch makes ready in the other lane is left to that lane's conductor.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...consumers.broker import Broker, BrokerUnavailableError, Delivery, Names
from ...consumers.worker.settings import new_owner
from ...statemachine.database import first_line, is_busy, is_passing
from ...statemachine.records import Record
from ...statemachine.store.campaigns import Book
from ...statemachine.store.core import notify
from ...statemachine.store.runs import learn
from ...statemachine.store.sites import SiteRow, declare
from ..monitor.loop import Loop
from ..monitor.monitor import Conducted
from .applying import Effects, follow, see_self
from .batch import Batch, TurnFailedError
from .outbox import Outbox

log = structlog.get_logger("headframe.conductor")
PRESENCE_S = 2.0
LONGEST_REST_S = 5.0
"""A turn that hung in a lock or on a server for long has worked nobody that hard."""


class ConductorSettings(Record):
    """`batch` messages, and `batch_bytes` of them (0: any), at most in one transaction; `chunk` items at most (0: any)
    in one that sends what waits; `refill_s` between looks for work left behind; `share` of the time at most is spent;
    settle work that is not reported done goes out again after `lost_hint_s`.
    """

    batch: int = 1000
    batch_bytes: int = 0
    chunk: int = 0
    refill_s: float = 1.0
    lost_hint_s: float = 60.0
    share: float = 1.0


class Conductor:
    """One lane's conductor; any number may run at once.

    `owner` and `presents` are for those that share a process: they have one name, and one of them says that it lives.
    `pass_on` tells the other lane's conductor that it has been left something.
    """

    def __init__(
        self,
        engine: Engine,
        broker: Broker,
        names: Names,
        book: Book,
        settings: ConductorSettings,
        sites: Sequence[SiteRow] = (),
        *,
        lane: str = "live",
        owner: str = "",
        presents: Sequence[str] = ("live",),
        loop: Loop | None = None,
        conducted: Conducted = lambda *_: None,
    ) -> None:
        self.engine, self.broker, self.names, self.book, self.settings = engine, broker, names, book, settings
        self._undeclared, self._presents = sites, tuple(presents)
        self.lane, self.owner = lane, owner or new_owner()
        self.loop, self.conducted = loop or Loop(), conducted
        self.batch = Batch(engine, book, self.owner)
        self.outbox = Outbox(
            engine,
            broker,
            names,
            self.owner,
            book.windows,
            lanes=(lane,),
            chunk=settings.chunk,
            lost_hint_s=settings.lost_hint_s,
        )
        self.pass_on: Callable[[], None] = self._notify
        self._refilled = self._seen = self._worked = 0.0
        self._wanted = threading.Event()
        self._taken: list[Delivery] = []
        self._failed, self._limit, self._refused = False, settings.batch, 0
        queues = [names.reports("live"), names.arrivals] if lane == "live" else [names.reports(lane)]
        self.subscription = broker.subscribe(queues, prefetch=2 * settings.batch)

    def wake(self) -> None:
        """Look for work now: an operator or a sweeper has committed something."""
        self._wanted.set()
        self.subscription.wake()

    def run(self, stop: threading.Event) -> None:
        """Conduct until told to stop."""
        while not stop.is_set():
            self.loop.beat()
            try:
                self.turn()
                self.loop.rest(stop, self.rest_s())
            except (SQLAlchemyError, BrokerUnavailableError, TurnFailedError) as error:
                seconds = self.loop.missed(error)
                if is_busy(error):
                    log.warning("others were in the way; it is tried again", cause=first_line(error), seconds=seconds)
                elif self._is_unsaid(error):
                    log.error("a turn failed; it is tried again", cause=first_line(error), exc_info=error)
                self._size_up(error)
                self.loop.rest(stop, seconds)
        self.subscription.close()

    def turn(self, wait_s: float | None = None) -> int:
        """Take one batch and deal with it; refill when it is time. Give the number of messages dealt with.

        A batch that could not be applied begins the next turn's: nothing may overtake it. At least one message
        joins it, for a batch of nothing but poison is told by others that can be applied.
        """
        wait = 0.0 if self._taken else self._until_refill() if wait_s is None else wait_s
        if self._failed or not self._taken:
            self._taken += self.subscription.take(max(1, self.settings.batch - len(self._taken)), wait)
        began = time.monotonic()
        deliveries = self._portion()
        if deliveries:
            self._deal(deliveries)
            kinds = ["arrivals" if each.queue == self.names.arrivals else "reports" for each in deliveries]
            self.conducted(self.lane, kinds, time.monotonic() - began)
        if self._wanted.is_set() or self._until_refill() <= 0:
            self._wanted.clear()
            self._refilled = time.monotonic()
            self._present()
            self.outbox.refill()
            self._refused = 0
            self.loop.met()
        self._worked = time.monotonic() - began
        return len(deliveries)

    def _is_unsaid(self, error: Exception) -> bool:
        """Say whether nobody else tells of it, as `Waiting` does of PostgreSQL and a broker's connection of its loss.

        A broker that answers, and refuses or confirms nothing, has lost no connection: nobody would ever know. Once
        says nothing: what is under way may fail a moment before its connection knows that it is lost.
        """
        if not isinstance(error, BrokerUnavailableError):
            return not is_passing(error)
        self._refused = self._refused + 1 if self.broker.ready() else 0
        return self._refused > 1

    def _size_up(self, error: Exception) -> None:
        """Take half as much after what may have been too much for PostgreSQL, and all after what was not."""
        self._limit = max(1, len(self._portion()) // 2) if is_passing(error) else self.settings.batch

    def rest_s(self) -> float:
        """Give how long to rest after this turn, so that others have their share of database, broker and cores."""
        return min(LONGEST_REST_S, self._worked * (1 / self.settings.share - 1))

    def _portion(self) -> list[Delivery]:
        """Give what goes into one transaction. Too long a one is halved; one that cannot be grows, see `turn`."""
        if self._failed and self._limit >= self.settings.batch:
            return list(self._taken)
        size, portion = 0, list[Delivery]()
        for delivery in self._taken[: self._limit]:
            size += len(delivery.body)
            if portion and size > (self.settings.batch_bytes or size):
                break
            portion.append(delivery)
        return portion

    def _until_refill(self) -> float:
        pace = min(0.05, self.settings.refill_s) if self.outbox.pressed else self.settings.refill_s
        return max(0.0, self._refilled + pace - time.monotonic())

    def _present(self) -> None:
        if not self._presents or time.monotonic() - self._seen < PRESENCE_S:
            return
        self._seen = time.monotonic()
        with self.engine.begin() as connection:
            see_self(connection, self.owner, "conductor", socket.gethostname(), {"lanes": self._presents})
            learn(connection, self.book)
            declare(connection, self._undeclared)
        self._undeclared = ()

    def _deal(self, deliveries: list[Delivery]) -> None:
        self._failed = True
        effects = self.batch.commit(deliveries)
        self._failed, self._taken = False, self._taken[len(deliveries) :]
        self.loop.met()
        self._limit = min(self.settings.batch, 2 * self._limit)
        if effects.reported:
            self.outbox.freed()
        try:
            self._send(effects)
        finally:  # it is committed: whatever keeps the work from going out, the refiller finds it ready
            self.subscription.ack(deliveries)
        followed = follow(self.engine, effects)
        self._send(followed)

    def _send(self, effects: Effects) -> None:
        """Send what a batch led to. What cannot be sent now stays ready, and the refiller finds it."""
        if any(entry.lane != self.lane for entry in effects.ready):
            self.pass_on()
        try:
            self.outbox.send_new(effects.ready)
            self.outbox.tell_stale(effects.stale)
            self.outbox.tell_workers(effects.told)
            self.outbox.tell_public(effects.moved)
        except BrokerUnavailableError as error:
            log.warning("work stays ready until the broker is back", cause=str(error), items=len(effects.ready))

    def _notify(self) -> None:
        """Wake the other lane's conductor where it is another process."""
        with self.engine.begin() as connection:
            notify(connection, "lane")
