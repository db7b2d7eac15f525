"""The sweeper's round: each task on its own, in bounded pages; one that fails stops only itself."""

import socket
import threading
import time
from collections.abc import Callable

import structlog
from sqlalchemy import Engine, text

from ...consumers.broker import LANES, Broker, BrokerUnavailableError, Names, Outgoing
from ...consumers.messages import Marker, encode
from ...consumers.worker.settings import new_owner
from ...statemachine.database import first_line
from ...statemachine.records import Record
from ...statemachine.store import sweep
from ...statemachine.store.core import database_time, notify
from ..conductor.applying import Effects, follow, see_self
from ..conductor.outbox import Outbox

log = structlog.get_logger("headframe.sweeper")

QUEUED_FACTOR = 20
"""How many times longer a hint may take while its queue is not empty."""


class SweeperSettings(Record):
    """`interval_s` between rounds; a hint counts as lost after `lost_hint_s`; `page` rows a statement."""

    interval_s: float = 5.0
    lost_hint_s: float = 60.0
    page: int = 500
    fold_s: float = 1.0


class Sweeper:
    """One sweeper; any number may run at once."""

    def __init__(
        self, engine: Engine, broker: Broker, names: Names, steps: tuple[str, ...], settings: SweeperSettings
    ) -> None:
        self.engine, self.broker, self.names, self.steps, self.settings = engine, broker, names, steps, settings
        self.owner = new_owner()
        self.outbox = Outbox(engine, broker, names, self.owner)

    def run(self, stop: threading.Event) -> None:
        """Sweep until told to stop; counts are folded more often than the rest."""
        due = 0.0
        while not stop.is_set():
            self._guarded(self.fold)
            if time.monotonic() >= due:
                due = time.monotonic() + self.settings.interval_s
                self.round()
            stop.wait(self.settings.fold_s)

    def round(self) -> None:
        """Do every repair once."""
        for task in (self.present, self.mark, self.expire, self.resend, self.recheck_runs, self.partition):
            self._guarded(task)

    def present(self) -> None:
        """Write down that this sweeper is alive, and forget who has long not been."""
        with self.engine.begin() as connection:
            see_self(connection, self.owner, "sweeper", socket.gethostname(), {})
            sweep.forget_silent(connection)

    def mark(self) -> None:
        """Send a marker through each report lane: once applied, all that was sent before it has been too."""
        with self.engine.connect() as connection:
            now = database_time(connection)
        self.broker.publish(
            [Outgoing(key=self.names.reports(lane), body=encode(Marker(lane=lane, sent_at=now))) for lane in LANES]
        )

    def expire(self) -> None:
        """Take items back whose lease is over."""
        after: int | None = 0
        while after is not None:
            with self.engine.begin() as connection:
                after = sweep.expire(connection, after, self.settings.page)
                notify(connection, "expired")

    def resend(self) -> None:
        """Send lost hints again, at most a page a step, lane and round: doubles are safe, storms are not.

        While messages wait in the queue, an old hint is most likely among them, and is given much longer.
        """
        for step in self.steps:
            for lane in LANES:
                waiting = self.broker.depth(self.names.work(step, lane)) > 0
                older_s = self.settings.lost_hint_s * (QUEUED_FACTOR if waiting else 1)
                with self.engine.begin() as connection:
                    lost = sweep.lost_hints(connection, step, lane, older_s, self.settings.page)
                    if lost:
                        sent = self.outbox.send_again(connection, lost)
                        sweep.resent(connection, sent)
                        log.warning("hints sent again", step=step, lane=lane, items=len(sent))

    def recheck_runs(self) -> None:
        """Let runs move that should have: a crash may have come between their files' commit and their own."""
        after = 0
        while True:
            with self.engine.begin() as connection:
                pairs = sweep.unfinished_runs(connection, after, self.settings.page)
            if not pairs:
                return
            moved = follow(self.engine, Effects(touched=frozenset(pairs)))
            self.outbox.tell_public(moved.moved)
            after = pairs[-1][0]

    def fold(self) -> None:
        """Fold count deltas into totals."""
        with self.engine.begin() as connection:
            sweep.fold(connection, 20 * self.settings.page)

    def partition(self) -> None:
        """Make the coming months' history partitions.

        A reader of the history is in the way, and whoever comes after us would wait behind us: better another round.
        """
        with self.engine.begin() as connection:
            connection.execute(text("set local lock_timeout = '200ms'"))
            for name in sweep.next_partitions(connection):
                log.info("history partition made", name=name)

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BrokerUnavailableError as error:
            log.warning("the broker is away; this repair waits", repair=task.__name__, cause=str(error))
        except Exception as error:  # one repair that fails must not stop the others
            log.error("a repair failed; it is tried again next round", repair=task.__name__, cause=first_line(error))
