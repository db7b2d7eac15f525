"""Whether a process can do its work: what it needs is looked at in the background, so that the answer never waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...consumers.broker import Broker

if TYPE_CHECKING:
    from sqlalchemy import Engine

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

    def look(self) -> None:
        """Look once."""
        try:
            self._wrong = self.check()
        except Exception as error:
            self._wrong = str(error).split("\n", 1)[0] or type(error).__name__
        self._at = self._clock()

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
