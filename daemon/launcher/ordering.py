"""What running and waiting pilots are told: to drain or to end, by operators, for a bad node, or as too many."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from ...statemachine.piloting import LivePilot
from ..slurm.contract import AwayError, Batch, BatchError
from .nodes import on

log = structlog.get_logger("headframe.launcher")

AGAIN = timedelta(seconds=60)
"""A pilot that is still there is told once more: the signal may have come before it could hear."""


class Ordering:
    """Tells pilots, each at most once a minute. What one cannot be told stops no other."""

    def __init__(self, batch: Batch, stopped: Callable[[], bool]) -> None:
        self._batch, self._stopped = batch, stopped
        self._told: dict[tuple[str, str, str], datetime] = {}
        self.withdrawn: set[str] = set()

    def withdraw(self, pilot: LivePilot, now: datetime) -> None:
        """Take a pilot back that waits."""
        self.withdrawn.add(pilot.token)
        self.order(pilot, "cancel", now, "fewer pilots are needed than wait")

    def release(self, pilot: LivePilot, now: datetime) -> None:
        """Let a pilot leave that would stay; it counts as gone from now on."""
        self.withdrawn.add(pilot.token)
        self.order(pilot, "drain", now, "fewer pilots are to be kept")

    def obey(self, pilots: list[LivePilot], set_aside: Mapping[str, str], now: datetime) -> None:
        """Do what operators ordered, and drain pilots on nodes that are set aside."""
        for pilot in pilots:
            node = on(pilot.node, set_aside)
            if pilot.told in ("drain", "cancel"):
                self.order(pilot, pilot.told, now, "an operator said so")
            elif node and pilot.status == "running":
                self.order(pilot, "drain", now, f"{node} is set aside: {set_aside[node]}")
            elif pilot.stay and pilot.token in self.withdrawn:  # it would stay if it had not heard
                self.order(pilot, "drain", now, "fewer pilots are to be kept")

    def order(self, pilot: LivePilot, word: str, now: datetime, why: str) -> None:
        """Drain or cancel a pilot whose job is known; one that waits has nothing to finish."""
        if pilot.status == "pending":
            word = "cancel"
        last = self._told.get((pilot.token, pilot.job, word))
        if not pilot.job or self._stopped() or (last is not None and now - last < AGAIN):
            return
        self._told[pilot.token, pilot.job, word] = now
        try:
            (self._batch.cancel if word == "cancel" else self._batch.drain)(pilot.job)
        except AwayError as error:
            del self._told[pilot.token, pilot.job, word]
            log.warning("a pilot is told later", pilot=pilot.token, order=word, cause=str(error))
        except BatchError as error:
            log.warning("a pilot was told in vain", pilot=pilot.token, order=word, job=pilot.job, cause=str(error))
        else:
            log.info("pilot told", pilot=pilot.token, order=word, job=pilot.job, reason=why)

    def forget(self, live: set[str]) -> None:
        """Forget pilots that are over."""
        self._told = {key: at for key, at in self._told.items() if key[0] in live}
        self.withdrawn &= live


def leaving(pilot: LivePilot, set_aside: Mapping[str, str]) -> bool:
    """Say whether a pilot has been told to leave, or is about to be."""
    return pilot.told in ("drain", "cancel") or bool(on(pilot.node, set_aside))
