"""The sweeper's look at alerts: asks each condition, and keeps what came of it. One sweeper at a time."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ...statemachine.alerting import Limits
from ...statemachine.database import first_line, is_passing
from ...statemachine.records import Record
from ...statemachine.store import alerts, detector
from ...statemachine.views.conditions import CONDITIONS, Condition
from ..monitor.loop import Loop

log = structlog.get_logger("headframe.alerts")
FORGET_S = 3600.0
PAGE = 1000


class Looking(Record):
    """How alerts are looked at: every so often, and calm for so long before they are over.

    `longest_run_s` is how old an open run may be that says that the detector runs; none: runs say nothing of it.
    `patience` multiplies how long each has to be so (tests have less of it).
    """

    every_s: float = 15.0
    calm_s: float = 300.0
    limits: Limits = Limits()
    longest_run_s: float | None = 24 * 3600.0
    patience: float = 1.0


class Alerting:
    """One sweeper's part in it; a condition that fails keeps its alerts as they were, and stops no other.

    It has a thread of its own: a database that is slow keeps all conditions together for longer than leases may wait.
    """

    def __init__(
        self,
        engine: Engine,
        looking: Looking,
        conditions: Sequence[Condition] = CONDITIONS,
        loop: Loop | None = None,
    ) -> None:
        self.loop = loop or Loop()
        self.engine, self.looking, self.conditions = engine, looking, conditions
        self._forget_due = 0.0

    def start(self, stop: threading.Event) -> None:
        """Begin. Nobody waits for the thread at the end: a look that is cut short has changed nothing."""
        threading.Thread(target=self.run, args=(stop,), name="look at alerts", daemon=True).start()

    def run(self, stop: threading.Event) -> None:
        """Look every so often, until told to stop."""
        while not stop.is_set():
            self.loop.beat()
            self.loop.rest(stop, self._rest_s())

    def _rest_s(self) -> float:
        """Look once; give the seconds to the next look."""
        try:
            self.look()
        except Exception as error:  # PostgreSQL is away, or busy: alerts stay as they were
            away_s = self.loop.missed(error)
            if not is_passing(error):
                log.error("alerts could not be looked at; they are with the next look", cause=first_line(error))
            return max(self.looking.every_s, away_s)
        self.loop.met()
        return self.looking.every_s

    def look(self) -> None:
        """Look once."""
        with self.engine.begin() as connection:
            if not alerts.alone(connection):
                return
            if self.looking.longest_run_s is not None:
                detector.follow_runs(connection, self.looking.longest_run_s, max(60.0, 4 * self.looking.every_s))
            for condition in self.conditions:
                self.loop.beat()
                self._keep(connection, condition)
            if time.monotonic() >= self._forget_due:
                self._forget_due = time.monotonic() + FORGET_S
                alerts.forget(connection, PAGE)

    def _keep(self, connection: Connection, condition: Condition) -> None:
        """Ask a condition within a savepoint, so that what it breaks is undone alone."""
        try:
            with connection.begin_nested():
                found = self._asked(connection, condition)
                changes = alerts.keep(connection, condition.codes, found, self.looking.calm_s, self.looking.patience)
        except SQLAlchemyError as error:
            if connection.invalidated:
                raise
            log.error("a condition of alerts could not be asked", alerts=condition.codes, cause=first_line(error))
        except Exception as error:  # what one broken row breaks must not stop the others
            log.error("a condition of alerts could not be asked", alerts=condition.codes, cause=repr(error)[:500])
        else:
            for change in changes:
                say: Callable[..., object] = log.info if change.cleared else log.warning
                say("alert cleared" if change.cleared else "alert fires", alert=change.code, of=change.name)

    def _asked(self, connection: Connection, condition: Condition) -> Iterable[alerts.Seen]:
        return [
            alerts.Seen(code=need.code, name=need.name, sentence=need.sentence, command=need.command)
            for need in condition.ask(connection, self.looking.limits)
            if need.code in condition.codes
        ]
