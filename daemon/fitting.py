"""At the start of a process: wait until PostgreSQL is there and its schema is one that this code may work on."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

log = structlog.get_logger("headframe.fitting")
FIRST_S, LOOK_S = 0.1, 3.0
"""How soon to look again: soon at first, then less often, and everybody at moments of his own."""
REPEAT_S = 300.0
"""How often to say again what is waited for."""


def await_schema(engine: Engine, stop: threading.Event) -> bool:
    """Wait until the schema fits; say whether it does, or `stop` came first. Raises `SchemaTooNewError`."""
    return wait(engine, stop, lambda line: log.warning("waiting for the database", cause=line))


def await_server(engine: Engine, stop: threading.Event) -> bool:
    """Wait until PostgreSQL answers, whatever its schema is; say whether it does, or `stop` came first."""
    return wait(engine, stop, lambda line: log.warning("waiting for the database", cause=line), missing=_silent)


def refuse_too_new(engine: Engine) -> None:
    """End a process that could never work on this schema; one that may wait goes on. Raises `SchemaTooNewError`."""
    if sentence := _missing(engine):
        log.warning("the database is not ready yet", cause=sentence)


def bring_up(engine: Engine, instance: str) -> None:
    """Bring the schema up to date, as who runs alone does at each start; a later one that fits is left as it is.

    Raises `SchemaTooNewError`.
    """
    from ..statemachine.compatibility import Standing, fit, require
    from ..statemachine.database import explained, upgrade

    with explained(), engine.connect() as connection:
        found = fit(connection)
        if found.standing is not Standing.OLD:
            require(connection)
            return
    upgrade(engine, instance)


def _missing(engine: Engine) -> str:
    """Say what is to be waited for; empty where nothing is."""
    from ..statemachine.compatibility import require

    return _said(engine, require)


def _silent(engine: Engine) -> str:
    """Say why PostgreSQL cannot be asked; empty where it can."""
    from ..statemachine.compatibility import fit

    return _said(engine, fit)


def _said(engine: Engine, ask: Callable[[Connection], object]) -> str:
    from ..statemachine.database import DatabaseUnavailableError, explained
    from .monitor.waiting import about_access

    try:
        with explained(), engine.connect() as connection:
            ask(connection)
    except DatabaseUnavailableError as error:
        return f"{error}; {todo}" if (todo := about_access(str(error))) else str(error)
    return ""


def wait(
    engine: Engine,
    stop: threading.Event,
    tell: Callable[[str], None],
    timeout_s: float = float("inf"),
    missing: Callable[[Engine], str] = _missing,
) -> bool:
    """Wait until nothing is `missing`, and tell what is, rarely again; say whether it came to that.

    Raises `SchemaTooNewError` where waiting is of no use.
    """
    began = time.monotonic()
    told, told_at, pause = "", began, FIRST_S
    while not stop.is_set():
        if not (sentence := missing(engine)):
            return True
        now = time.monotonic()
        if sentence != told or now - told_at >= REPEAT_S:
            tell(sentence)
            told, told_at = sentence, now
        left = began + timeout_s - now
        if left <= 0:
            return False
        stop.wait(min(pause * random.uniform(0.5, 1.0), left))  # noqa: S311 (no secret)  # nosec B311
        pause = min(LOOK_S, 2 * pause)
    return False
