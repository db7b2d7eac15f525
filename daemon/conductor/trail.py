"""What the log says of each file on its way, so that one search shows it from end to end (docs/logging.md).

Bulk work is told at level debug: a campaign over a million files would fill the disk with what the history says too.
"""

import logging
from collections.abc import Iterable
from typing import Any

from ...consumers.messages import Arrived, Message, Report
from ...statemachine.naming import run_name, trace
from ...statemachine.records import ArrivedFile, Outcome
from ...statemachine.store.dispatch import Order
from ...statemachine.store.fold import Said
from ...statemachine.store.named import Named
from ...statemachine.store.settling import Unsettled
from ...statemachine.store.sweep import TakenBack
from .parked import Parked

log = logging.getLogger("headframe.conductor")


def arrived(files: Iterable[ArrivedFile]) -> None:
    """Files are registered; or were, and this was said once more."""
    if log.isEnabledFor(logging.INFO):
        for file in files:
            log.info("registered", extra={**_of(file.run, file.name), "site": file.site, "path": file.path})


def sent(orders: Iterable[Order]) -> None:
    """Work went out to the workers."""
    for order in orders:
        level = level_of(order.lane)
        if log.isEnabledFor(level):
            attempt = {"attempt": f"{order.item}/{order.epoch}", "step": order.step.name, "lane": order.lane}
            log.log(level, "sent", extra={**_of(order.run, order.name), **attempt})


def reported(said: Iterable[Said], lane: str) -> None:
    """Reports of workers were taken up. One that came too late is in the list of those, and changes nothing."""
    level = level_of(lane)
    if not log.isEnabledFor(level):
        return
    for entry in said:
        told = entry.outcome
        code = {"code": told.reason_code} if told.reason_code else {}
        extra = {**_of_outcome(told), "owner": entry.reporter.owner, "outcome": told.trigger, **code}
        log.log(level, "report", extra=extra)


def taken_back(attempts: Iterable[TakenBack]) -> None:
    """Attempts were taken from workers that are gone."""
    for each in attempts:
        why = {"owner": each.owner, "code": each.code, "reason": each.reason}
        log.log(level_of(each.named.lane), "taken back", extra={**_of_attempt(each.named, each), **why})


def unsettled(attempts: Iterable[Unsettled]) -> None:
    """Links could not be made, or folders not be removed; it is tried again."""
    for each in attempts:
        what = {"action": each.action, "site": each.site, "path": each.path, "cause": each.cause}
        log.log(level_of(each.named.lane), "not settled", extra={**_of_attempt(each.named, each), **what})


def dead(parked: Parked) -> None:
    """A message is among the dead letters: one line for each attempt that it was about, or one for all of it."""
    letter, work = parked.letter, parked.work
    said = {"queue": letter.queue, "code": letter.code, "cause": letter.sentence}
    for item in work.parcel if work else ():
        attempt = {"attempt": f"{item.item}/{item.epoch}", "step": work.step, "lane": work.lane} if work else {}
        log.warning("dead letter", extra={**_of(item.run, item.name), **attempt, **said})
    if not work or not work.parcel:
        log.warning("dead letter", extra=said)


def about(message: Message | None) -> dict[str, Any]:
    """Give what a line says of the one file, run or attempt that a message is about; nothing where there are more."""
    if isinstance(message, Report) and len(message.outcomes) == 1:
        return _of_outcome(message.outcomes[0])
    if isinstance(message, Arrived) and len(message.files) == 1:
        return _of(message.files[0].run, message.files[0].name)
    if isinstance(message, Arrived) and len(message.runs) == 1:
        return _of(message.runs[0].run, run_name(message.runs[0].run))
    return {}


def level_of(lane: str) -> int:
    """Give the level at which a lane's files are told of."""
    return logging.INFO if lane == "live" else logging.DEBUG


def _of(run: int, name: str) -> dict[str, Any]:
    return {"trace": trace(run, name), "run": run, "file": name}


def _of_attempt(named: Named, attempt: TakenBack | Unsettled) -> dict[str, Any]:
    which = {"attempt": f"{attempt.item}/{attempt.epoch}", "step": attempt.step, "lane": named.lane}
    return {**_of(named.run, named.name), **which}


def _of_outcome(told: Outcome) -> dict[str, Any]:
    """Give whose outcome it is. A worker of before 0.2.0 says only the attempt."""
    run, _, file = told.trace.partition("/")
    known = _of(int(run), file) if run.isdecimal() else {}
    return {**known, "attempt": f"{told.item}/{told.epoch}", "step": told.step}
