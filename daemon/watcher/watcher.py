"""The watcher's process: for each inbox a thread that scans and one that deals with events."""

import logging
import queue
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event as Flag
from threading import Thread

from ...consumers.broker.base import Broker
from ...consumers.broker.topology import Names
from ...statemachine.database import is_passing
from ...statemachine.records import ArrivedFile
from ..config.model import Config, Inbox
from ..monitor.loop import Loop
from .inbox import Event, InboxWatch, Known
from .notify import Kind, Notify
from .post import BATCH, Post

QUEUED = 20_000
"""The most events that wait. Further ones are dropped: a scan finds what they told of."""
AWAY_S = 1.0
"""How soon a scan that failed (the database is away) is tried again."""

log = logging.getLogger(__name__)


class Watcher:
    """Watches all inboxes of a configuration and publishes what arrives."""

    def __init__(
        self,
        config: Config,
        broker: Broker,
        names: Names,
        known: Known,
        clock: Callable[[], float] = time.monotonic,
        loops: Callable[[str], Loop] = Loop,
    ) -> None:
        self._loops = loops
        self._config = config
        self._broker = broker
        self._names = names
        self._known = known
        self._clock = clock

    def run(self, stop: Flag) -> None:
        """Watch until `stop` is set. Inboxes do not wait for one another."""
        post = Post(self._broker, self._names.arrivals, stop)
        loops = []
        for name, inbox in self._config.inboxes.items():
            folder = self._config.inbox_root(name)
            scanning, hearing = self._loops(f"scan {name}"), self._loops(f"events {name}")
            watch = InboxWatch(name, inbox, folder, post, _heard(self._known, scanning), self._clock, scanning.beat)
            loops.append(InboxLoop(name, inbox, folder, watch, stop, self._clock, scanning, hearing))
        for loop in loops:
            loop.start()
        stop.wait()
        for loop in loops:
            loop.close()


class InboxLoop:
    """The two threads of an inbox."""

    def __init__(
        self,
        name: str,
        inbox: Inbox,
        folder: Path,
        watch: InboxWatch,
        stop: Flag,
        clock: Callable[[], float],
        scanning: Loop,
        hearing: Loop,
    ) -> None:
        self._scanning, self._hearing = scanning, hearing
        self._name = name
        self._inbox = inbox
        self._folder = folder
        self._watch = watch
        self._stop = stop
        self._clock = clock
        self._events: queue.Queue[Event | None] = queue.Queue(QUEUED)
        self._wake = Flag()
        self._lost = False
        self._notify = Notify(self._put)
        # Daemon threads: one that hangs in a dead file system must not keep the process from ending.
        self._threads = [
            Thread(target=self._scan_loop, name=f"scan-{name}", daemon=True),
            Thread(target=self._event_loop, name=f"events-{name}", daemon=True),
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Wait for both threads; `stop` has been set."""
        self._wake.set()
        self._notify.close()
        try:
            self._events.put_nowait(None)
        except queue.Full:
            log.debug("inbox %s: events are dropped at the end", self._name)
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _put(self, path: str, kind: Kind) -> None:
        try:
            self._events.put_nowait(Event(path=path, closed=kind == "closed", at_ns=time.time_ns()))
        except queue.Full:
            self._lost = True
            self._wake.set()

    def _event_loop(self) -> None:
        while not self._stop.is_set():
            self._hearing.pause()
            first = self._events.get()
            self._hearing.beat()
            if first is None:
                return
            # The events after one file's first are mostly its own: the last that says `closed` counts.
            latest = {first.path: first}
            while len(latest) < BATCH:
                try:
                    event = self._events.get_nowait()
                except queue.Empty:
                    break
                if event is None:
                    return
                if event.closed or event.path not in latest:
                    latest[event.path] = event
            try:
                self._watch.handle(latest.values())
            except Exception:
                log.exception("inbox %s: events failed; the scan will find the files", self._name)
                self._lost = True
            self._wake.set()

    def _scan_loop(self) -> None:
        next_scan = self._clock()
        while not self._stop.is_set():
            self._wake.clear()
            self._scanning.beat()
            if self._clock() >= next_scan or self._lost:
                next_scan = self._clock() + self._scan()
            due = min(next_scan, self._look_again())
            self._scanning.rest(self._wake, max(0.0, due - self._clock()))

    def _scan(self) -> float:
        """Scan once; give the seconds to the next scan."""
        self._lost, began = False, self._clock()
        try:
            # Watched first and scanned then, so that nothing comes between.
            if self._inbox.watch:
                self._notify.ensure(self._watch.root)
            self._watch.scan()
        except Exception as error:
            return self._missed(error, "scan waits")
        # Scanning takes a fifth of the time at most, however slow the file system is.
        return max(self._inbox.scan_s, 5 * (self._clock() - began))

    def _look_again(self) -> float:
        """Look at what is due; give the time at which something is due again."""
        try:
            return self._watch.look_again()
        except Exception as error:
            return self._clock() + self._missed(error, "files wait")

    def _missed(self, error: Exception, what: str) -> float:
        """Say what went wrong, unless it is the database, of which it is said for all; give when to try again."""
        if is_passing(error):
            return self._scanning.missed(error)
        log.warning("inbox %s: %s: %s", self._name, what, error)
        return min(AWAY_S, self._inbox.scan_s)


def _heard(known: Known, loop: Loop) -> Known:
    """Ask the database, and note that it has answered."""

    def ask(files: Sequence[ArrivedFile]) -> Sequence[bool]:
        answers = known(files)
        loop.met()
        return answers

    return ask
