"""What a process waits for: said once for all its loops, rarely again, and when it is back."""

import re
import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger("headframe.waiting")
AGAIN_S = 300.0
"""After how long it is said again that PostgreSQL is still away."""
SETTLED_S = 10.0
"""What comes and goes within so long is one trouble, not many."""
LET_IN = re.compile(r"authentication failed|no password|no pg_hba|role .* does not exist|permission denied")
NOT_THERE = re.compile(r"database .* does not exist")


class Waiting:
    """PostgreSQL, while it cannot be worked with. Any thread may say that it is away, or back.

    The broker's connections say for themselves when they are lost and found (`consumers.broker.rabbit_link`).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._since, self._said = 0.0, float("-inf")
        self._away = False

    def away(self, error: BaseException) -> None:
        """Say what is waited for and what to do, unless that was said lately. Of the broker nothing is said here."""
        from ...statemachine import database

        if database.is_busy(error) or not database.is_passing(error):
            return
        with self._lock:
            now = self._clock()
            if not self._away:
                self._away, self._since = True, now
                due = now - self._said >= SETTLED_S
            else:
                due = now - self._said >= AGAIN_S
            if not due:
                return
            self._said = now
        cause = database.first_line(error)
        log.warning(f"{_what(error)}; waiting for it", cause=cause, todo=todo(error), since_s=round(now - self._since))

    def back(self) -> None:
        """Say that it is back, where it was away."""
        if not self._away:
            return
        with self._lock:
            if not self._away:
                return
            self._away, away_s = False, self._clock() - self._since
            told = self._said >= self._since
        if told:
            log.info("PostgreSQL is back; going on", away_s=round(away_s, 1))


def _what(error: BaseException) -> str:
    from ...statemachine import database

    if database.is_outdated(error):
        return "the schema is missing or old"
    return "PostgreSQL does not answer" if database.is_unreachable(error) else "a right in PostgreSQL is missing"


def todo(error: BaseException) -> str:
    """Say what to do about a database that cannot be worked with."""
    from ...statemachine import database

    said = str(getattr(error, "orig", None) or error)
    if database.is_outdated(error):
        return "run: headframe db upgrade"
    if database.is_without_right(error):
        return "the owner of the schema runs: headframe db roles --apply"
    return about_access(said) or "it goes on by itself once PostgreSQL answers; headframe doctor says what is wrong"


def about_access(said: str) -> str:
    """Say what to do about a server that is there and lets nobody in; nothing where it does not say so."""
    if LET_IN.search(said):
        return "look at the user in database.url and at database.password_file, then start this process again"
    if NOT_THERE.search(said):
        return "look at the name in database.url, or make the database: createdb"
    return ""
