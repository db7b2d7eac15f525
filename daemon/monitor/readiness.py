"""Whether a process can do its work: what it needs is looked at in the background, so that the answer never waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from ...consumers.broker import Broker

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = structlog.get_logger("headframe.readiness")
Check = Callable[[], str]
"""Gives what is wrong, or nothing. It may take as long as a frozen server lets it wait."""
FIRST_S, AGAIN_S = 0.1, 2.0
OLD_S = 15.0
"""What was found longer ago says nothing of now: whoever looks waits for a server that is frozen."""


class Need:
    """One thing that a process needs, looked at in a thread of its own: one that hangs holds up no other."""

    def __init__(self, name: str, check: Check, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.check, self._clock = name, check, clock
        self._wrong, self._at = "it has not been looked at yet", clock()
        self._logged = ""

    def look(self) -> None:
        """Look once."""
        try:
            self._wrong = self.check()
            self._logged = ""
        except Exception as error:
            # Anybody may ask for what is wrong, and an error's own words may name hosts and users.
            self._wrong = f"looking at it failed ({type(error).__name__}); the log of this process says why"
            self._log(str(error).split("\n", 1)[0])
        self._at = self._clock()

    def _log(self, cause: str) -> None:
        """Say once what was found, as long as it stays the same: it is looked at several times a second."""
        if cause != self._logged:
            self._logged = cause
            log.warning(f"whether the {self.name} is ready cannot be found out", cause=cause)

    def run(self, stop: threading.Event) -> None:
        """Look again and again, and soon again while something is wrong."""
        while not stop.is_set():
            self.look()
            stop.wait(AGAIN_S if not self._wrong else min(FIRST_S * 2, AGAIN_S))

    def wrong(self) -> str:
        """Say what is wrong, or nothing."""
        if not self._wrong and self._clock() - self._at > OLD_S:
            return f"it has not answered for {self._clock() - self._at:.0f} s"
        return self._wrong


def of_broker(broker: Broker) -> Check:
    """Look whether a round trip to the broker worked lately."""
    return lambda: "" if broker.ready() else "the broker does not answer"


def of_database(engine: Engine) -> Check:
    """Look whether PostgreSQL answers and has a schema that this code may work on."""
    from ...statemachine.compatibility import fits
    from ...statemachine.database import DatabaseUnavailableError, explained

    def check() -> str:
        try:
            with explained(), engine.connect() as connection:
                return fits(connection) or ""
        except DatabaseUnavailableError as error:
            return error.for_all

    return check
