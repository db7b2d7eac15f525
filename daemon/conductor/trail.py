"""What the conductor's log says of each file on its way, so that one search shows it from end to end (docs/logging.md).

Bulk work is told at level debug: a campaign over a million files would fill the disk with what the history says too.
"""

import logging
from collections.abc import Iterable

from ...statemachine.naming import trace
from ...statemachine.records import ArrivedFile
from ...statemachine.store.dispatch import Order
from ...statemachine.store.fold import Said

log = logging.getLogger("headframe.conductor")


def arrived(files: Iterable[ArrivedFile]) -> None:
    """Files are registered; or were, and this was said once more."""
    if log.isEnabledFor(logging.INFO):
        for file in files:
            said = {"trace": trace(file.run, file.name), "run": file.run, "file": file.name}
            log.info("registered", extra={**said, "site": file.site, "path": file.path})


def sent(orders: Iterable[Order]) -> None:
    """Work went out to the workers."""
    for order in orders:
        level = level_of(order.lane)
        if log.isEnabledFor(level):
            said = {"trace": trace(order.run, order.name), "run": order.run, "file": order.name}
            attempt = f"{order.item}/{order.epoch}"
            log.log(level, "sent", extra={**said, "attempt": attempt, "step": order.step.name, "lane": order.lane})


def reported(said: Iterable[Said], lane: str) -> None:
    """Reports of workers were taken up. One that came too late is in the list of those, and changes nothing."""
    level = level_of(lane)
    if not log.isEnabledFor(level):
        return
    for entry in said:
        told = entry.outcome
        run, _, file = told.trace.partition("/")
        known = {"trace": told.trace, "run": int(run), "file": file} if run.isdecimal() else {}
        code = {"code": told.reason_code} if told.reason_code else {}
        attempt = {"attempt": f"{told.item}/{told.epoch}", "step": told.step, "owner": entry.reporter.owner}
        log.log(level, "report", extra={**known, **attempt, "outcome": told.trigger, **code})


def level_of(lane: str) -> int:
    """Give the level at which a lane's files are told of."""
    return logging.INFO if lane == "live" else logging.DEBUG
