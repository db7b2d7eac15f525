"""Answers that never come: a connection that is cut in silence must not hold a process for ever.

libpq waits for an answer without end. psycopg2 lets the program wait instead (its wait callback, one for all
connections of the process), and closes a connection whose wait ends in an error.
"""

import select
import time
from typing import Any
from weakref import WeakKeyDictionary

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, STATUS_BEGIN, STATUS_READY, set_wait_callback

CONNECT_S = 10.0
_answer_s: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


def limit(raw: Any, seconds: float) -> None:
    """Wait at most so long for each answer on a psycopg2 connection."""
    _answer_s[raw] = seconds


def install() -> None:
    """Have all connections of this process waited for here."""
    set_wait_callback(_wait)


def _wait(raw: Any) -> None:
    end = time.monotonic() + _allowed(raw)
    while (state := raw.poll()) != POLL_OK:
        poller = select.poll()
        poller.register(raw.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
        left = end - time.monotonic()
        if left <= 0 or not poller.poll(None if left == float("inf") else left * 1000):
            raise psycopg2.OperationalError(f"no answer from PostgreSQL in {_allowed(raw):g} s")


def _allowed(raw: Any) -> float:
    connected = raw.status in (STATUS_READY, STATUS_BEGIN)
    return _answer_s.get(raw, float("inf") if connected else CONNECT_S)
