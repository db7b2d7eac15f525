"""Answers that never come: a connection that is cut in silence must not hold a process for ever.

libpq waits for an answer without end. psycopg2 lets the program wait instead (its wait callback, one for all
connections of the process), and closes a connection whose wait ends in an error.

A connection that was lost while nobody used it is replaced before it is used. To ask it each time is a round trip a
transaction, so it is asked only where it may be lost.
"""

import select
import time
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, STATUS_BEGIN, STATUS_READY, set_wait_callback
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.exc import InvalidatePoolError

CONNECT_S = 10.0
IDLE_S = 10.0
"""How long a connection may lie unused before it is asked whether it is still there."""
_answer_s: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


def limit(raw: Any, seconds: float) -> None:
    """Wait at most so long for each answer on a psycopg2 connection."""
    _answer_s[raw] = seconds


def install() -> None:
    """Have all connections of this process waited for here."""
    set_wait_callback(_wait)


def replace_lost(engine: Engine) -> None:
    """Have an engine's pooled connections looked at before they are used, and replaced where they are lost."""
    event.listen(engine, "checkin", _lies)
    event.listen(engine, "checkout", partial(_check, engine.dialect))


def _lies(_: Any, record: Any) -> None:
    record.info["unused_since"] = time.monotonic()


def _check(dialect: Dialect, raw: Any, record: Any, _: Any) -> None:
    """Raise `InvalidatePoolError` where a connection is lost; a new one takes its place, and the pool's others go."""
    since = record.info.get("unused_since")
    if since is None:
        return
    try:
        if time.monotonic() - since >= IDLE_S or _has_word(raw):
            dialect.do_ping(raw)
    except psycopg2.Error as error:
        raise InvalidatePoolError(str(error)) from error


def _has_word(raw: Any) -> bool:
    """Say whether something came unasked: a server that ends says so, or closes."""
    poller = select.poll()
    poller.register(raw.fileno(), select.POLLIN)
    return bool(poller.poll(0))


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
