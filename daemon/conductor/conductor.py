"""The conductor's loop: take what waits, apply it in one transaction, send what became ready, acknowledge.

Commit comes before publish, publish before `submit`, and the acknowledgement last; a crash between any two
leaves items `ready` or messages unacknowledged, and both come back.
"""

import socket
import threading
import time
from collections.abc import Sequence

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, SQLAlchemyError

from ...consumers.broker import Broker, BrokerUnavailableError, Delivery, Names
from ...consumers.worker.settings import new_owner
from ...statemachine.database import first_line, is_unreachable
from ...statemachine.records import Record
from ...statemachine.store.campaigns import Book
from ...statemachine.store.letters import keep
from ...statemachine.store.runs import learn
from ...statemachine.store.sites import SiteRow, declare
from .applying import Effects, apply, follow, see_self
from .outbox import Outbox
from .parked import refused, unreadable
from .sorting import Sorted

log = structlog.get_logger("headframe.conductor")
PRESENCE_S = 2.0
LONGEST_BACKOFF_S = 10.0
FEWEST_SUSPECT = 3
"""From how many messages on, all failing alike, a batch says more about us than about them."""
THEIRS = {DataError, IntegrityError, OperationalError}
"""Errors that are the messages' own fault (an outage, also an `OperationalError`, has been told apart before)."""


class TurnFailedError(Exception):
    """Nothing of a batch could be applied; the cause is ours."""


class ConductorSettings(Record):
    """`batch` messages at most in one transaction; `refill_s` between looks for work left behind."""

    batch: int = 1000
    refill_s: float = 1.0


class Conductor:
    """One conductor; any number may run at once."""

    def __init__(
        self,
        engine: Engine,
        broker: Broker,
        names: Names,
        book: Book,
        settings: ConductorSettings,
        sites: Sequence[SiteRow] = (),
    ) -> None:
        self.engine, self.broker, self.names, self.book, self.settings = engine, broker, names, book, settings
        self._undeclared = sites
        self.owner = new_owner()
        self.outbox = Outbox(engine, broker, names, self.owner, book.windows)
        self._refilled = self._seen = 0.0
        self._wanted = threading.Event()
        queues = [names.reports("live"), names.arrivals, names.reports("bulk")]
        self.subscription = broker.subscribe(queues, prefetch=2 * settings.batch)

    def wake(self) -> None:
        """Look for work now: an operator or a sweeper has committed something."""
        self._wanted.set()
        self.subscription.wake()

    def run(self, stop: threading.Event) -> None:
        """Conduct until told to stop."""
        backoff = 0.1
        while not stop.is_set():
            try:
                self.turn()
                backoff = 0.1
            except (SQLAlchemyError, BrokerUnavailableError, TurnFailedError) as error:
                if isinstance(error, BrokerUnavailableError) or is_unreachable(error):
                    log.warning("waiting for a server", cause=first_line(error), seconds=backoff)
                else:
                    log.error("a turn failed; it is tried again", cause=first_line(error), exc_info=error)
                stop.wait(backoff)
                backoff = min(LONGEST_BACKOFF_S, backoff * 2)
        self.subscription.close()

    def turn(self, wait_s: float | None = None) -> int:
        """Take one batch and deal with it; refill when it is time. Give the number of messages taken."""
        wait = self._until_refill() if wait_s is None else wait_s
        deliveries = self.subscription.take(self.settings.batch, wait)
        if deliveries:
            self._deal(deliveries)
        if self._wanted.is_set() or self._until_refill() <= 0:
            self._wanted.clear()
            self._refilled = time.monotonic()
            self._present()
            self.outbox.refill()
        return len(deliveries)

    def _until_refill(self) -> float:
        pace = min(0.05, self.settings.refill_s) if self.outbox.backlogged else self.settings.refill_s
        return max(0.0, self._refilled + pace - time.monotonic())

    def _present(self) -> None:
        if time.monotonic() - self._seen < PRESENCE_S:
            return
        self._seen = time.monotonic()
        with self.engine.begin() as connection:
            see_self(connection, self.owner, "conductor", socket.gethostname(), {})
            learn(connection, self.book)
            declare(connection, self._undeclared)
        self._undeclared = ()

    def _deal(self, deliveries: list[Delivery]) -> None:
        try:
            effects = self._commit(deliveries)
        except BaseException:
            self.subscription.give_back(deliveries)
            raise
        try:
            self._send(effects)
        finally:  # it is committed: whatever keeps the work from going out, the refiller finds it ready
            self.subscription.ack(deliveries)
        followed = follow(self.engine, effects)
        self._send(followed)

    def _send(self, effects: Effects) -> None:
        """Send what a batch led to. What cannot be sent now stays ready, and the refiller finds it."""
        try:
            self.outbox.send_new(effects.ready)
            self.outbox.tell_stale(effects.stale)
            self.outbox.tell_public(effects.moved)
        except BrokerUnavailableError as error:
            log.warning("work stays ready until the broker is back", cause=str(error), items=len(effects.ready))

    def _commit(self, deliveries: Sequence[Delivery]) -> Effects:
        """Apply deliveries in one transaction; what cannot be applied is put aside, alone.

        Where nothing at all can be applied, and always for the same cause, the fault is ours and not the
        messages': they stay in their queue, and the turn fails. Not where PostgreSQL complains of the values.
        """
        poison: list[tuple[Delivery, Exception]] = []
        effects = self._apply(deliveries, poison)
        causes = {type(error) for _, error in poison}
        if len(poison) == len(deliveries) >= FEWEST_SUSPECT and len(causes) == 1 and not causes <= THEIRS:
            raise TurnFailedError(f"none of {len(poison)} messages can be applied") from poison[0][1]
        if poison:
            self._quarantine(poison)
        return effects

    def _apply(self, deliveries: Sequence[Delivery], poison: list[tuple[Delivery, Exception]]) -> Effects:
        """Apply deliveries, halving a batch that fails until the bad message stands alone."""
        batch = Sorted(deliveries)
        try:
            with self.engine.begin() as connection:
                keep(connection, [unreadable(*entry) for entry in batch.unreadable])
                return apply(connection, batch, self.book)
        except Exception as error:
            if is_unreachable(error):
                raise
            if len(deliveries) == 1:
                poison.append((deliveries[0], error))
                return Effects()
        half = len(deliveries) // 2
        return self._apply(deliveries[:half], poison).joined(self._apply(deliveries[half:], poison))

    def _quarantine(self, poison: Sequence[tuple[Delivery, Exception]]) -> None:
        for delivery, error in poison:
            log.error("message put aside", queue=delivery.queue, cause=first_line(error))
        with self.engine.begin() as connection:
            keep(connection, [refused(delivery, first_line(error)) for delivery, error in poison])
