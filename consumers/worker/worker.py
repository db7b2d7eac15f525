"""The worker's loop: take a parcel, work through it, report, acknowledge.

A parcel that takes longer than `quick_s` is acknowledged early: the worker stops consuming, says `started`
(which begins the lease), acknowledges, and only then goes on; so a step of hours never meets the broker's
consumer timeout, and no message waits behind a busy worker. A quicker one is acknowledged after its result.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from ...statemachine.records import Outcome, Reporter
from ..broker import Broker, BrokerUnavailableError, Delivery, Names, Outgoing, Queue, Topology
from ..messages import Drain, Drop, MessageError, Report, Settle, Settled, SettleItem, Work, decode, encode
from ..steps.api import PayloadError, StepError
from .attempt import Attempt
from .child import Answer
from .executor import Executor
from .settings import SETTLE, WorkerSettings, new_owner, reporter
from .settling import settle

POLL_S = 0.5
RETRY_S = 1.0
REMEMBERED = 2000


class Worker:
    """One worker: one parcel at a time, one child process for its steps."""

    def __init__(self, broker: Broker, names: Names, settings: WorkerSettings, stop: threading.Event) -> None:
        self.broker, self.names, self.settings, self.stop = broker, names, settings, stop
        self.owner = new_owner()
        self.reporter: Reporter = reporter(settings, self.owner)
        self.executor = Executor()
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
        try:
            message = decode(delivery.body, Work, Settle)
        except MessageError as error:
            self.work.reject([delivery], str(error))
            return
        if isinstance(message, Settle):
            self._settle(delivery, message)
        elif isinstance(message, Work):
            self._work(delivery, message)

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
                self.control.reject([delivery], str(error))
                continue
            if isinstance(message, Drain):
                self.stop.set()
            elif isinstance(message, Drop):
                self.dropped |= set(message.items)
            self.control.ack([delivery])


class Parcel:
    """One work message: its items one after another, acknowledged early or at its end."""

    def __init__(self, worker: Worker, delivery: Delivery, work: Work) -> None:
        self.worker, self.delivery, self.work = worker, delivery, work
        self.waiting = [Attempt(work, item, worker.owner, worker.settings) for item in work.parcel]
        self.done: list[Outcome] = []
        self.long = False
        self.began = self.beat = time.monotonic()
        self.told_to_leave: float | None = None

    def run(self) -> None:
        """Work through the items; whatever happens, each is reported or handed back."""
        while self.waiting and not self._must_leave():
            if self._is_dropped(self.waiting[0]):
                self.waiting.pop(0)
                continue
            self._one(self.waiting[0])
        self._finish()

    def _one(self, attempt: Attempt) -> None:
        known = self.worker.remembered.get((attempt.item.item, attempt.item.epoch))
        if known is not None:
            self._add(attempt, known)
            return
        try:
            request = attempt.prepare()
        except StepError as error:
            self._ended(attempt, _refused(error))
            return
        self.worker.executor.begin(request)
        deadline = time.monotonic() + attempt.item.resources.timeout_s
        while (answer := self.worker.executor.wait(self._pause(deadline))) is None:
            self._attend()
            if self._is_dropped(attempt):
                self._stop(attempt)
                return
            if time.monotonic() >= deadline:
                self.worker.executor.kill()
                answer = _too_long(attempt)
                break
            if self._grace_over():
                self._hand_back(attempt)
                return
        self._ended(attempt, answer)

    def _ended(self, attempt: Attempt, answer: Answer) -> None:
        outcome = attempt.outcome(answer)
        self.worker.remember(outcome)
        self._add(attempt, outcome)

    def _add(self, attempt: Attempt, outcome: Outcome) -> None:
        self.waiting.remove(attempt)
        self.done.append(outcome)
        if self.long:
            self._flush()

    def _stop(self, attempt: Attempt) -> None:
        self.worker.executor.kill()
        self.worker.dropped.discard((attempt.item.item, attempt.item.epoch))
        attempt.remove()
        self.waiting.remove(attempt)

    def _hand_back(self, attempt: Attempt) -> None:
        self.worker.executor.kill()
        self.waiting.remove(attempt)
        self.done.append(attempt.given_back("drain", "its worker was told to leave"))

    def _attend(self) -> None:
        """While the step runs: become a long parcel when it is time, beat, hear what is to be dropped."""
        now = time.monotonic()
        if not self.long and now - self.began >= self.worker.settings.quick_s:
            self._become_long()
        if self.long and now - self.beat >= self.worker.settings.heartbeat_s:
            self.beat = now
            beats = [(attempt.item.item, attempt.item.epoch) for attempt in self.waiting]
            self.worker.report(self.work.lane, beats=beats)
        self.worker.hear(0.0)

    def _become_long(self) -> None:
        self.long = True
        self.worker.work.pause()
        self.worker.report(self.work.lane, [*self.done, *(attempt.started() for attempt in self.waiting)])
        self.done.clear()
        self.worker.work.ack([self.delivery])
        self.beat = time.monotonic()

    def _flush(self) -> None:
        if self.done:
            self.worker.report(self.work.lane, self.done)
            self.done.clear()

    def _finish(self) -> None:
        left = [attempt for attempt in self.waiting if not self._is_dropped(attempt)]
        if self.long:
            self.done += [attempt.given_back("drain", "its worker was told to leave") for attempt in left]
            self._flush()
            self.worker.work.resume()
        elif left:
            self._flush()
            self.worker.work.give_back([self.delivery])
        else:
            self._flush()
            self.worker.work.ack([self.delivery])

    def _pause(self, deadline: float) -> float:
        now = time.monotonic()
        quick_end = self.began + self.worker.settings.quick_s
        wake = min(deadline, now + POLL_S)
        return (wake if self.long else min(wake, quick_end)) - now

    def _is_dropped(self, attempt: Attempt) -> bool:
        return (attempt.item.item, attempt.item.epoch) in self.worker.dropped

    def _must_leave(self) -> bool:
        return self.worker.stop.is_set()

    def _grace_over(self) -> bool:
        if not self.worker.stop.is_set():
            return False
        self.told_to_leave = self.told_to_leave or time.monotonic()
        return time.monotonic() - self.told_to_leave >= self.worker.settings.grace_s


def _single(work: Work, place: int) -> Work:
    return msgspec.structs.replace(work, parcel=(work.parcel[place],))


def _too_long(attempt: Attempt) -> Answer:
    seconds = attempt.item.resources.timeout_s
    reason = f"step {attempt.work.step} took longer than its {seconds:g} s and was killed"
    return Answer(kind="interrupt", code="walltime", reason=reason)


def _refused(error: StepError) -> Answer:
    if isinstance(error, PayloadError):
        return Answer(kind="fail", code=error.code, reason=error.sentence, permanent=error.permanent)
    return Answer(kind="interrupt", code=error.code, reason=error.sentence)
