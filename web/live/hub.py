"""Asks the database what changed, once for all viewers of this process, and passes it on to those whom it concerns.

It asks again and again instead of being notified: a page is refreshed twice a second at most, so a notice would gain
nothing, and PostgreSQL lets only one transaction at a time commit that notifies, which is every one of the machine's.
Nobody watches: nothing is asked.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from ...statemachine.database import DatabaseUnavailableError, explained
from ...statemachine.records import Record
from ...statemachine.views import News, Position, around, news
from .viewer import Viewer

SOONEST_S, LATEST_S = 0.5, 3.0
A_VIEWER_S = 0.006
"""What a refresh may take of the server, all in all: so much longer is everybody's pause for each viewer there is."""
COUNT_S = 5.0
"""How often to look who has fallen silent."""
SLOW_S = 3.0
PATIENCE = text("set local statement_timeout = '10s'")

log = logging.getLogger(__name__)


class Limits(Record):
    """How many viewers there may be, and how many of them from one address: a proxy has one for all behind it."""

    viewers: int = 1000
    address: int = 250


class Hub:
    """All viewers of a process. But for the reading itself, everything happens in the event loop's thread."""

    def __init__(self, engine: Engine, limits: Limits, heard: Callable[[frozenset[str]], None]) -> None:
        """`heard` is called after each answer of the database, with what had changed."""
        self.engine, self.limits, self.heard = engine, limits, heard
        self.viewers: set[Viewer] = set()
        self.addresses: Counter[str] = Counter()
        self.upto: Position | None = None
        self.stale = self.closed = False
        self._alive: set[str] = set()
        self._count_at = 0.0
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live")
        self._reading: asyncio.Task[None] | None = None

    @property
    def pause_s(self) -> float:
        """How long to wait between two looks, and so a viewer between two refreshes: the longer, the more there are."""
        return min(LATEST_S, max(SOONEST_S, A_VIEWER_S * len(self.viewers)))

    def admit(self, viewer: Viewer) -> bool:
        """Let a viewer in; say whether there was room. They are told what comes from now on."""
        limits, there = self.limits, self.addresses[viewer.address]
        if self.closed or len(self.viewers) >= limits.viewers or there >= limits.address:
            return False
        self.viewers.add(viewer)
        self.addresses[viewer.address] = there + 1
        viewer.stale = self.stale
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_on())
        return True

    async def catch_up(self, viewer: Viewer, since: Position | None) -> None:
        """Tell a viewer what came since they last heard; everything, where nobody knows when that was."""
        try:
            missed = await self._ask(since)
        except DatabaseUnavailableError:
            viewer.tell(viewer.topics)
            return
        self.upto = self.upto or missed.upto
        viewer.tell(missed.topics)

    def leave(self, viewer: Viewer) -> None:
        """Let a viewer go."""
        viewer.leave()
        self.viewers.remove(viewer)
        self.addresses -= Counter([viewer.address])

    def end(self) -> None:
        """End all streams, and let nobody in any more."""
        self.closed = True
        for viewer in self.viewers:
            viewer.ended = True
            viewer.interrupt()

    def close(self) -> None:
        """Let the reader's thread go."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _read_on(self) -> None:
        """Read for as long as somebody watches."""
        try:
            while self.viewers and not self.closed:
                await asyncio.sleep(self.pause_s)
                await self._read()
        finally:
            self._reading = self.upto = None

    async def _read(self) -> None:
        reading = asyncio.ensure_future(self._run(self._look))
        if not (await asyncio.wait({reading}, timeout=SLOW_S))[0]:
            self._grow_stale("no answer")
        try:
            found = await reading
        except Exception as error:  # whatever it is, viewers are told, and it is tried again
            self._grow_stale(str(error))
            return
        self.upto, self.stale = found.upto, False
        self.heard(found.topics)
        for viewer in self.viewers:
            viewer.stale = False
            viewer.tell(found.topics, self.pause_s - SOONEST_S)

    def _grow_stale(self, cause: str) -> None:
        if not self.stale:
            log.warning("viewers are told that what they see is not up to date: %s", cause)
        self.stale = True
        for viewer in self.viewers:
            if not viewer.stale:
                viewer.stale = True
                viewer.interrupt()

    async def _ask(self, since: Position | None) -> News:
        return await self._run(lambda connection: news(connection, since))

    def _look(self, connection: Connection) -> News:
        """Ask what changed; now and then also who is alive, for falling silent changes no row."""
        found = news(connection, self.upto)
        if time.monotonic() < self._count_at:
            return found
        before, self._alive = self._alive, {process.owner for process in around(connection).alive}
        self._count_at = time.monotonic() + COUNT_S
        silent = before - self._alive
        return msgspec.structs.replace(found, topics=found.topics | {"processes"}) if silent else found

    async def _run(self, ask: Callable[[Connection], News]) -> News:
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._run_now, ask)

    def _run_now(self, ask: Callable[[Connection], News]) -> News:
        try:
            with explained(), self.engine.connect() as connection:
                connection.execute(PATIENCE)
                return ask(connection)
        except SQLAlchemyError as error:
            raise DatabaseUnavailableError(str(error)) from error
