"""One work message, from its first item to its acknowledgement.

A parcel that takes longer than `quick_s` is acknowledged early: the worker stops consuming, says `started`
(which begins the lease), acknowledges, and only then goes on; so a step of hours never meets the broker's
consumer timeout, and no message waits behind a busy worker. A quicker one is acknowledged after its result.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import structlog

from ...statemachine.records import Outcome, Usage
from ..broker import Delivery
from ..messages import Work
from ..steps.api import PayloadError, StepError
from .attempt import Attempt
from .child import Answer
from .term import Told

if TYPE_CHECKING:
    from .worker import Worker

log = logging.getLogger(__name__)
POLL_S = 0.5
RETRY_S = 1.0


class Parcel:
    """One work message: its items one after another, acknowledged early or at its end."""

    def __init__(self, worker: Worker, delivery: Delivery, work: Work) -> None:
        self.worker, self.delivery, self.work = worker, delivery, work
        self.waiting = [Attempt(work, item, worker.owner, worker.settings) for item in work.parcel]
        self.done: list[Outcome] = []
        self.long = self.announced = False
        self.began = self.one_began = time.monotonic()
        self.speak_at = self.began
        self.heartbeat_s = min(worker.settings.heartbeat_s, work.lease_s / 3)  # one may be late, and one be lost
        self.told_to_leave: float | None = None
        self.level = logging.INFO if work.lane == "live" else logging.DEBUG

    def run(self) -> None:
        """Work through the items; whatever happens, each is reported or handed back."""
        while self.waiting and not self._must_leave():
            self._attend()  # also between items: of many short ones, none is waited for long enough
            if self._is_dropped(self.waiting[0]):
                self.waiting.pop(0)
                continue
            self._guarded(self.waiting[0])
        self._finish()

    def _guarded(self, attempt: Attempt) -> None:
        """Do an item; a fault of ours that only it brings out ends its attempt, and nothing else."""
        try:
            with structlog.contextvars.bound_contextvars(**attempt.said):
                self._one(attempt)
        except Exception as error:
            log.exception("item %s met a fault of the worker", attempt.item.item, extra=attempt.said)
            self.worker.executor.kill()
            if attempt in self.waiting:
                self.waiting.remove(attempt)
                self.done.append(attempt.broken(f"the worker met {error!r}"))

    def _one(self, attempt: Attempt) -> None:
        known = self.worker.remembered.get((attempt.item.item, attempt.item.epoch))
        if known is not None:
            self._add(attempt, known)
            return
        try:
            self.worker.executor.begin(attempt.prepare())
        except StepError as error:
            self._ended(attempt, _refused(error))
            return
        self.one_began = time.monotonic()
        log.log(self.level, "begins")
        deadline = self.one_began + attempt.item.resources.timeout_s
        while (answer := self.worker.executor.wait(self._pause(deadline))) is None:
            self._attend()
            if self._is_dropped(attempt):
                self._stop(attempt)
                return
            if time.monotonic() >= deadline:
                answer = _too_long(attempt, self.worker.executor.kill())
                break
            if self._grace_over():
                self._hand_back(attempt)
                return
        self._ended(attempt, answer)

    def _ended(self, attempt: Attempt, answer: Answer) -> None:
        if answer.kind in ("fail", "interrupt") and self.worker.term.is_told():
            self._hand_back(attempt)
            return
        if answer.kind == "succeed":
            self.worker.term.tell(Told(what="took", step=self.work.step, seconds=answer.usage.wall_s))
        outcome = attempt.outcome(answer)
        log.log(self.level, "ends", extra={"outcome": answer.kind, "code": answer.code, "reason": answer.reason})
        self.worker.remember(outcome)
        self._add(attempt, outcome)

    def _add(self, attempt: Attempt, outcome: Outcome) -> None:
        self.waiting.remove(attempt)
        self.done.append(outcome)
        if self.long:
            self._flush()

    def _stop(self, attempt: Attempt) -> None:
        self.worker.executor.kill()
        attempt.remove()
        self.waiting.remove(attempt)

    def _hand_back(self, attempt: Attempt) -> None:
        used = self.worker.executor.kill()
        log.info("handed back")
        self.waiting.remove(attempt)
        self.done.append(self._given_back(attempt, time.monotonic() - self.one_began, used))

    def _given_back(self, attempt: Attempt, ran_s: float = 0.0, used: Usage | None = None) -> Outcome:
        return attempt.given_back(*self.worker.term.words(self.work.step, ran_s), used)

    def _attend(self) -> None:
        """While the steps run: become a long parcel when it is time, beat, hear what is to be dropped."""
        now = time.monotonic()
        if not self.long and now - self.began >= self.worker.settings.quick_s:
            self._become_long()
        if self.long and now >= self.speak_at:
            heard = self._beat() if self.announced else self._announce()
            self.speak_at = time.monotonic() + (self.heartbeat_s if heard else RETRY_S)
        self.worker.hear(0.0)

    def _become_long(self) -> None:
        self.long = True
        self.worker.work.pause()

    def _announce(self) -> bool:
        """Say that the attempts have begun, and acknowledge; False while the broker is away."""
        self.announced = self.worker.tell(self.work.lane, [*self.done, *(each.started() for each in self.waiting)])
        if self.announced:
            self.done.clear()
            self.worker.work.ack([self.delivery])
        return self.announced

    def _beat(self) -> bool:
        beats = [(attempt.item.item, attempt.item.epoch) for attempt in self.waiting]
        return self.worker.tell(self.work.lane, beats=beats)

    def _flush(self) -> None:
        if self.done:
            self.worker.report(self.work.lane, self.done)
            self.done.clear()

    def _finish(self) -> None:
        left = [attempt for attempt in self.waiting if not self._is_dropped(attempt)]
        if self.long:
            self.done += [self._given_back(attempt) for attempt in left]
            self._flush()
            if not self.announced:
                self.worker.work.ack([self.delivery])
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
        return self.worker.stop.is_set() or not self.worker.term.fits(self.work.step)

    def _grace_over(self) -> bool:
        if self.worker.term.is_over:
            return True
        if not self.worker.stop.is_set() or self.worker.term.patient:
            return False
        self.told_to_leave = self.told_to_leave or time.monotonic()
        return time.monotonic() - self.told_to_leave >= self.worker.settings.grace_s


def _too_long(attempt: Attempt, used: Usage) -> Answer:
    seconds = attempt.item.resources.timeout_s
    reason = f"step {attempt.work.step} took longer than its {seconds:g} s and was killed"
    return Answer(kind="interrupt", code="walltime", reason=reason, usage=used)


def _refused(error: StepError) -> Answer:
    if isinstance(error, PayloadError):
        return Answer(kind="fail", code=error.code, reason=error.sentence, permanent=error.permanent)
    return Answer(kind="interrupt", code=error.code, reason=error.sentence)
