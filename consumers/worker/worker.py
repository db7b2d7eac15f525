"""The worker's loop: take a message, work through it, report until the broker has it; hear what is to be dropped."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from ...statemachine.records import Outcome, Reporter
from ..broker import Broker, BrokerUnavailableError, Delivery, Names, Outgoing, Queue, Subscription, Topology
from ..messages import Drain, Drop, MessageError, Report, Settle, Settled, SettleItem, Work, decode, encode
from .executor import Executor
from .parcel import POLL_S, Parcel
from .places import check_places
from .settings import SETTLE, WorkerSettings, new_owner, reporter
from .settling import settle

log = logging.getLogger(__name__)
RETRY_S = 1.0
REMEMBERED = 2000


class Worker:
    """One worker: one parcel at a time, one child process for its steps."""

    def __init__(self, broker: Broker, names: Names, settings: WorkerSettings, stop: threading.Event) -> None:
        self.broker, self.names, self.settings, self.stop = broker, names, settings, stop
        self.owner = new_owner()
        self.reporter: Reporter = reporter(settings, self.owner)
        self.executor = Executor(settings.preload)
        self.dropped: set[tuple[int, int]] = set()
        self.remembered: OrderedDict[tuple[int, int], Outcome] = OrderedDict()
        self._seen = 0.0

    def run(self) -> None:
        """Work until told to stop; what is undone then is handed back."""
        control = self.names.control(self.owner)
        queue = Queue(name=control, exclusive=True)
        self.broker.declare(Topology(exchanges={}, queues=(queue,), dead=self.names.dead))
        self.control = self.broker.subscribe([control], prefetch=10)
        lanes = [self.names.work(step, lane) for lane in ("live", "bulk") for step in (*self.settings.steps, SETTLE)]
        self.work = self.broker.subscribe(lanes, prefetch=1)
        self.executor.warm()
        try:
            while not self.stop.is_set():
                self._present()
                self.hear(0.0)
                for delivery in self.work.take(1, POLL_S):
                    self._handle(delivery)
        finally:
            self.work.close()
            self.control.close()
            self.executor.kill()

    def remember(self, outcome: Outcome) -> None:
        """Keep the newest outcomes: an epoch's message that comes again is answered, not worked on again."""
        self.remembered[outcome.item, outcome.epoch] = outcome
        while len(self.remembered) > REMEMBERED:
            self.remembered.popitem(last=False)

    def wake(self) -> None:
        """Let a worker that waits for work notice that it shall stop."""
        self.work.wake()

    def _handle(self, delivery: Delivery) -> None:
        """Do what a message says. Whatever is in it, it ends as a dead letter at worst, never the worker."""
        try:
            message = decode(delivery.body, Work, Settle)
            check_places(message)
            if isinstance(message, Settle):
                self._settle(delivery, message)
            elif isinstance(message, Work):
                self._work(delivery, message)
        except MessageError as error:
            self._reject(self.work, delivery, str(error))
        except Exception as error:
            log.exception("a message met a fault of the worker", extra={"queue": delivery.queue})
            self.executor.kill()
            self.work.resume()
            self._reject(self.work, delivery, f"the worker met {error!r}")

    def _reject(self, source: Subscription, delivery: Delivery, reason: str) -> None:
        try:
            source.reject([delivery], reason)
        except BrokerUnavailableError as error:
            log.warning("a bad message goes back until the broker takes its dead letter: %s", error)
            source.give_back([delivery])

    def _work(self, delivery: Delivery, work: Work) -> None:
        if delivery.redelivered and len(work.parcel) > 1:
            self._split(delivery, work)
        else:
            Parcel(self, delivery, work).run()

    def _settle(self, delivery: Delivery, message: Settle) -> None:
        done = tuple(self._settle_one(item) for item in message.parcel)
        self.report("live", settled=done)
        self.work.ack([delivery])

    def _settle_one(self, item: SettleItem) -> Settled:
        site = self.settings.sites.get(item.site)
        if site is None:
            return Settled(id=item.id, done=False, error=f"worker {self.owner} has no site {item.site}")
        return settle(item, site)

    def _split(self, delivery: Delivery, work: Work) -> None:
        """Send a parcel that came back as single items, so that the one that kills its worker stands alone."""
        singles = [Outgoing(key=delivery.queue, body=encode(_single(work, place))) for place in range(len(work.parcel))]
        if all(self._publish(singles)):
            self.work.ack([delivery])
        else:
            self.work.give_back([delivery])

    def report(
        self,
        lane: str,
        outcomes: Sequence[Outcome] = (),
        beats: Sequence[tuple[int, int]] = (),
        settled: Sequence[Settled] = (),
    ) -> None:
        """Report, and try again until the broker has it: a result is never lost because a server blinks.

        A worker that was told to leave gives up after its grace: the lease ends and the item is done again.
        """
        message = Report(
            reporter=self.reporter,
            lane=lane,
            outcomes=tuple(outcomes),
            beats=tuple(beats),
            settled=tuple(settled),
            steps=self.settings.steps,
            draining=self.stop.is_set(),
        )
        self._seen = time.monotonic()
        outgoing = [Outgoing(key=self.names.reports(lane), body=encode(message))]
        left = self.settings.grace_s
        while not all(self._publish(outgoing)) and left > 0:
            time.sleep(RETRY_S)
            left -= RETRY_S if self.stop.is_set() else 0

    def _publish(self, messages: list[Outgoing]) -> list[bool]:
        try:
            return self.broker.publish(messages)
        except BrokerUnavailableError:
            return [False]

    def _present(self) -> None:
        if time.monotonic() - self._seen > self.settings.presence_s:
            self._seen = time.monotonic()
            try:
                message = Report(reporter=self.reporter, lane="live", steps=self.settings.steps)
                self.broker.publish([Outgoing(key=self.names.reports("live"), body=encode(message))])
            except BrokerUnavailableError:
                return

    def hear(self, wait_s: float) -> None:
        """Take what the conductor says: attempts to drop, or to drain."""
        for delivery in self.control.take(10, wait_s):
            try:
                message = decode(delivery.body, Drop, Drain)
            except MessageError as error:
                self._reject(self.control, delivery, str(error))
                continue
            if isinstance(message, Drain):
                self.stop.set()
            elif isinstance(message, Drop):
                self.dropped |= set(message.items)
            self.control.ack([delivery])


def _single(work: Work, place: int) -> Work:
    return msgspec.structs.replace(work, parcel=(work.parcel[place],))
