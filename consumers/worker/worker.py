"""The worker's loop: take a message, work through it, report until the broker has it; hear what is to be dropped."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from ...statemachine.records import Outcome, Reporter
from ..broker import Broker, BrokerUnavailableError, Delivery, Names, Outgoing, Queue, Subscription, Topology
from ..broker.topology import WorkQueue
from ..messages import Drain, Drop, Halt, MessageError, Report, Settle, Settled, SettleItem, Work, decode, encode
from .executor import Executor
from .parcel import POLL_S, RETRY_S, Parcel
from .places import check_places
from .reporting import bodies
from .settings import SETTLE, WorkerSettings, new_owner, reporter
from .settling import settle
from .term import Term, Told

log = logging.getLogger(__name__)
REMEMBERED = 2000


class Worker:
    """One worker: one parcel at a time, one child process for the steps of each lane."""

    def __init__(
        self,
        broker: Broker,
        names: Names,
        settings: WorkerSettings,
        stop: threading.Event,
        term: Term | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`beat` is called each time around, and while it works: who hears nothing of it knows that it hangs."""
        self.broker, self.names, self.settings, self.stop = broker, names, settings, stop
        self.term, self.beat = term or Term(settings), beat
        self.owner = new_owner()
        self.reporter: Reporter = reporter(settings, self.owner)
        self.executors = {
            lane: Executor(settings.preload, nice, settings.memory, settings.nursery)
            for lane, nice in (("live", 0), ("bulk", settings.bulk_nice))
        }
        self.executor = self.executors["live" if "live" in settings.lanes else "bulk"]
        self.working: frozenset[tuple[int, int]] = frozenset()
        self.dropped: set[tuple[int, int]] = set()
        self.remembered: OrderedDict[tuple[int, int], Outcome] = OrderedDict()
        self._waits = False
        self.halted: tuple[str, ...] = ()
        self._obeyed: frozenset[str] = frozenset()
        self._seen = 0.0

    def run(self) -> None:
        """Work until told to stop; what is undone then is handed back."""
        control = self.names.control(self.owner)
        queue = Queue(name=control, exclusive=True)
        self.broker.declare(Topology(exchanges={}, queues=(queue,), dead=self.names.dead))
        self.control = self.broker.subscribe([control], prefetch=10)
        self.work = self._subscribe()
        self._waits = True
        self.executor.warm()
        self.term.tell(Told(what="ready"))
        try:
            while not self.stop.is_set():
                self._present()
                self.hear(0.0)
                self._obey()
                for delivery in self.work.take(1, POLL_S):
                    self.term.tell(Told(what="begins"))
                    self._handle(delivery)
                    self.term.tell(Told(what="rests"))
        finally:
            self.work.close()
            self.control.close()
            for executor in self.executors.values():
                executor.kill()

    def _subscribe(self) -> Subscription:
        """Consume from the queues of its lanes that are not to be left alone, live ones first."""
        queues = self._queues()
        self._obeyed = self._left_alone()
        wanted = [each for each in queues if not {f"step:{each.step}", f"lane:{each.lane}"} & self._obeyed]
        made = self.broker.subscribe([each.name for each in wanted or queues], prefetch=1)
        if not wanted or "worker" in self.halted:
            made.pause()
        return made

    def _left_alone(self) -> frozenset[str]:
        """Give what the conductor halted, and the steps that would not be done before this worker's time is over."""
        return self.term.unfit(self.settings.steps).union(self.halted)

    def _queues(self) -> list[WorkQueue]:
        """Give the queues that it takes work from, the first ones first.

        Who takes large work beside the rest looks for it when nothing else of the lane waits: each queue that is looked
        into before another costs every message of that one a round trip. Who is there for large work takes it first.
        """
        wanted, steps = self.settings.large, (*self.settings.steps, SETTLE)
        queues = [each for each in self.names.works(steps) if each.lane in self.settings.lanes]
        if wanted is None:
            return queues
        first = [each for each in queues if each.large and wanted]
        return first + [each for each in queues if not each.large]

    def _obey(self) -> None:
        """Subscribe anew where what is to be left alone has changed; while the broker is away, later."""
        before = self._obeyed
        if before == self._left_alone():
            return
        try:
            made = self._subscribe()
        except BrokerUnavailableError:
            self._obeyed = before
            return
        self.work.close()
        self.work = made
        self.tell("live")

    def remember(self, outcome: Outcome) -> None:
        """Keep the newest outcomes: an epoch's message that comes again is answered, not worked on again."""
        self.remembered[outcome.item, outcome.epoch] = outcome
        while len(self.remembered) > REMEMBERED:
            self.remembered.popitem(last=False)

    def wake(self) -> None:
        """Let a worker that waits for work notice that it shall stop; before it waits, it looks by itself."""
        if self._waits:
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
            self._put_aside(delivery, str(error))
        except Exception as error:
            log.exception("a message met a fault of the worker", extra={"queue": delivery.queue})
            self.executor.kill()
            self.work.resume()
            self._put_aside(delivery, f"the worker met {error!r}")

    def _put_aside(self, delivery: Delivery, reason: str) -> None:
        if not self._reject(self.work, delivery, reason):
            self.stop.wait(RETRY_S)

    def _work(self, delivery: Delivery, work: Work) -> None:
        if delivery.redelivered and len(work.parcel) > 1:
            self._split(delivery, work)
            return
        self.executor = self.executors.get(work.lane, self.executor)
        self.working = frozenset((item.item, item.epoch) for item in work.parcel)
        Parcel(self, delivery, work).run()
        self.working, self.dropped = frozenset(), set()

    def _reject(self, subscription: Subscription, delivery: Delivery, reason: str) -> bool:
        """Have a message that cannot be read put aside; while the broker is away it goes back, and comes again."""
        try:
            subscription.reject([delivery], reason)
        except BrokerUnavailableError:
            subscription.give_back([delivery])
            return False
        return True

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
        settled: Sequence[Settled] = (),
    ) -> None:
        """Report, and try again until the broker has it: a result is never lost because a server blinks.

        A worker that was told to leave gives up after its grace: the lease ends and the item is done again.
        """
        left = self.settings.grace_s
        while not self.tell(lane, outcomes, settled=settled) and left > 0:
            self.beat()
            time.sleep(RETRY_S)
            left -= RETRY_S if self.stop.is_set() else 0

    def tell(
        self,
        lane: str,
        outcomes: Sequence[Outcome] = (),
        beats: Sequence[tuple[int, int]] = (),
        settled: Sequence[Settled] = (),
    ) -> bool:
        """Report once; False where the broker is away, or may not have it."""
        message = Report(
            reporter=self.reporter,
            lane=lane,
            outcomes=tuple(outcomes),
            beats=tuple(beats),
            settled=tuple(settled),
            steps=self.settings.steps,
            lanes=self.settings.lanes,
            draining=self.stop.is_set(),
            halted=self.halted,
        )
        self._seen = time.monotonic()
        return all(self._publish([Outgoing(key=self.names.reports(lane), body=body) for body in bodies(message)]))

    def _publish(self, messages: list[Outgoing]) -> list[bool]:
        try:
            return self.broker.publish(messages)
        except BrokerUnavailableError:
            return [False]

    def _present(self) -> None:
        if time.monotonic() - self._seen > self.settings.presence_s:
            self.tell("live")

    def hear(self, wait_s: float) -> None:
        """Take what the conductor says: attempts to drop, queues to leave alone, or to drain."""
        self.beat()
        for delivery in self.control.take(10, wait_s):
            try:
                message = decode(delivery.body, Drop, Drain, Halt)
            except MessageError as error:
                self._reject(self.control, delivery, str(error))
                continue
            if isinstance(message, Drain):
                self.stop.set()
            elif isinstance(message, Drop):
                self.dropped |= self.working.intersection(message.items)  # what is over needs no dropping
            elif isinstance(message, Halt):
                self.halted = message.what
            self.control.ack([delivery])


def _single(work: Work, place: int) -> Work:
    return msgspec.structs.replace(work, parcel=(work.parcel[place],))
