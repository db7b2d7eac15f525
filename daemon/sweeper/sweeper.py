"""The sweeper's round: each task on its own, in bounded pages; one that fails stops only itself."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ...consumers.broker import Broker, BrokerRefusedError, BrokerUnavailableError, Names, Outgoing
from ...consumers.messages import Marker, encode
from ...consumers.worker.settings import new_owner
from ...statemachine.database import first_line, is_busy, is_passing, wait_briefly
from ...statemachine.lanes import LANES
from ...statemachine.records import Record
from ...statemachine.store import sweep
from ...statemachine.store.answered import forget as forget_answered
from ...statemachine.store.breaker import Breaker
from ...statemachine.store.core import database_time, notify
from ...statemachine.store.dispatch import lock_lane
from ...statemachine.store.measure import Change
from ...statemachine.store.pauses import forget_drained, paused
from ...statemachine.store.pilots import end_leases
from ...statemachine.store.sweep import Place
from ..conductor import trail
from ..conductor.applying import Effects, follow, see_self
from ..conductor.outbox import Outbox
from ..monitor.loop import Loop
from .measuring import Measuring
from .nodes import Nodes
from .passing import Passings

log = structlog.get_logger("headframe.sweeper")

MOMENTS_S = 5.0
"""Within how long a worker says that it has begun, and a page of hints goes out."""
LOCK_S = 0.5
PARTITION_AGAIN_S = 60.0
TOLD_S = 360.0
"""How long changes are kept for those who watch: longer than anybody may be away and go on (`views.news`)."""


class SweeperSettings(Record):
    """`interval_s` between rounds; a hint counts as lost after `lost_hint_s`; `page` rows a statement; `breaker` says
    when a node is set aside.
    """

    interval_s: float = 5.0
    lost_hint_s: float = 60.0
    page: int = 500
    fold_s: float = 1.0
    breaker: Breaker = Breaker()


class Sweeper:
    """One sweeper; any number may run at once. `told` hears of each change that it has measured."""

    def __init__(
        self,
        engine: Engine,
        broker: Broker,
        names: Names,
        settings: SweeperSettings,
        loop: Loop | None = None,
        told: Callable[[Sequence[Change]], None] | None = None,
    ) -> None:
        self.loop = loop or Loop()
        self.engine, self.broker, self.names, self.settings = engine, broker, names, settings
        self.owner = new_owner()
        self.outbox = Outbox(engine, broker, names, self.owner)
        self.passings = Passings(min(MOMENTS_S, settings.lost_hint_s / 2))
        self.measuring = Measuring(engine, 4 * settings.page, told)
        self.nodes = Nodes(engine, settings.breaker)
        self._partition_due = self._away_s = 0.0
        self._seen: tuple[float, str] | None = None

    def run(self, stop: threading.Event) -> None:
        """Sweep until told to stop; leases end, and counts are folded, more often than the rest is done."""
        due = 0.0
        while not stop.is_set():
            for task in (self.fold, self.expire, self.mark):
                self._guarded(task)
            if time.monotonic() >= due and not self._away_s:
                due = time.monotonic() + self.settings.interval_s
                self.round()
            self.loop.rest(stop, max(self.settings.fold_s, self._away_s))

    def round(self) -> None:
        """Do every repair once that has time."""
        for task in (
            self.present,
            self.end_pilots,
            self.resend,
            self.recheck_runs,
            self.nodes.look,
            self.partition,
            self.forget,
            self.forget_changes,
            self.measuring.measure,
        ):
            self._guarded(task)

    def present(self) -> None:
        """Write down that this sweeper is alive, and forget who has long not been."""
        with self.engine.begin() as connection:
            detail = {"interval_s": self.settings.interval_s}
            see_self(connection, self.owner, "sweeper", socket.gethostname(), detail)
            sweep.forget_silent(connection)

    def mark(self) -> None:
        """Send a marker through each report lane: once applied, all that was sent before it has been too."""
        with self.engine.connect() as connection:
            if not sweep.anything_out(connection):
                return
            now = database_time(connection)
        self.broker.publish(
            [Outgoing(key=self.names.reports(lane), body=encode(Marker(lane=lane, sent_at=now))) for lane in LANES]
        )

    def expire(self) -> None:
        """Take items back whose lease is over."""
        after: int | None = 0
        while after is not None:
            with self.engine.begin() as connection:
                page = sweep.expire(connection, after, self.settings.page)
                if page.taken:
                    notify(connection, "expired")
            trail.taken_back(page.taken)
            after = page.after

    def end_pilots(self) -> None:
        """End leases of workers that went with their pilot: reports that were under way then may have renewed them."""
        with self.engine.begin() as connection:
            end_leases(connection)

    def resend(self) -> None:
        """Send lost hints again, at most a page a step, lane and round: doubles are safe, storms are not.

        A hint is lost that has left its queue without a word of a worker; large work has a queue of its own, and may
        wait there for long. It goes by what items have, for a step that has left the configuration still has some.
        One sweeper at a time: two that find the same hints would send each of them twice, and so have it done twice.
        """
        with self.engine.begin() as connection:
            places = sweep.sent_places(connection)
        for place in places:
            with self.engine.begin() as connection:
                gone_by = self._gone_by(connection, place)
                if gone_by is not None and not paused(connection, place.step, place.lane):
                    self._resend(connection, place, gone_by)

    def _resend(self, connection: Connection, place: Place, gone_by: datetime) -> None:
        if not lock_lane(connection, place.step, place.lane, "resend"):
            return
        settings = self.settings
        lost = sweep.lost_hints(connection, place, gone_by, settings.lost_hint_s, settings.page)
        if lost:
            sent = self.outbox.send_again(connection, lost)
            sweep.resent(connection, sent)
            log.warning("hints sent again", **place._asdict(), items=len(sent), of=len(lost))

    def _gone_by(self, connection: Connection, place: Place) -> datetime | None:
        """Give up to when hints have left. The clock is read first: what was sent before is in the queue, or was."""
        looked_at = database_time(connection)
        return self.passings.gone_by(connection, place, looked_at, empty=self._empty(place))

    def _empty(self, place: Place) -> bool:
        """Say whether no messages wait; a queue that is not there has none."""
        try:
            return self.broker.depth(self.names.work(place.step, place.lane, large=place.large)) == 0
        except BrokerRefusedError:
            return True

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
        """Make the coming months' history partitions, two months before they are needed.

        That locks `history` whole: behind a transaction that takes long, all who write would wait too. So it waits
        a moment only, and tries again later.
        """
        if time.monotonic() < self._partition_due:
            return
        try:
            with self.engine.begin() as connection:
                wait_briefly(connection, LOCK_S)
                made = sweep.next_partitions(connection)
        except DBAPIError as error:
            if not is_busy(error):
                raise
            self._partition_due = time.monotonic() + PARTITION_AGAIN_S
            log.info("history is in use; its partitions are made later", cause=first_line(error))
        else:
            for name in made:
                log.info("history partition made", name=name)

    def forget(self) -> None:
        """Drop orders to workers that have left, and answers kept for who asks twice, after 30 days."""
        with self.engine.begin() as connection:
            forget_drained(connection)
        with self.engine.begin() as connection:
            forget_answered(connection)

    def forget_changes(self) -> None:
        """Forget what was seen long enough ago by all who watch.

        Not what was written long ago: its transaction may have committed a moment ago, and nobody has seen it yet.
        """
        with self.engine.begin() as connection:
            if self._seen is None:
                self._seen = time.monotonic(), sweep.snapshot(connection)
            due, seen = self._seen[0] + TOLD_S, self._seen[1]
            if time.monotonic() >= due and not sweep.forget_changes(connection, seen, 20 * self.settings.page):
                self._seen = None

    def _guarded(self, task: Callable[[], None]) -> None:
        self.loop.beat()
        try:
            task()
        except BrokerUnavailableError as error:
            log.debug("the broker is away; this repair waits", repair=task.__name__, cause=str(error))
        except Exception as error:  # one repair that fails must not stop the others
            if is_passing(error) and not is_busy(error):
                self._away_s = self.loop.missed(error)
                return
            log.error("a repair failed; it is tried again next round", repair=task.__name__, cause=first_line(error))
        else:
            self._away_s = 0.0
            self.loop.met()
