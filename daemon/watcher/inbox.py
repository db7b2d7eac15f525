"""One inbox: what is met in it, by events or by a scan, becomes arrivals and troubles, once each."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ...statemachine.naming import trace
from ...statemachine.records import ArrivedFile, Record
from ..config.model import Inbox
from .arrival import refuse
from .inspect import Inspector, Met
from .look import Refused, nobody_writes
from .post import BATCH, Post
from .walk import walk

log = logging.getLogger(__name__)
Known = Callable[[Sequence[ArrivedFile]], Sequence[bool]]
"""Answers for each file whether the database has dealt with it (site, path, size, mtime). Raises when away."""


class Event(Record):
    """A file was closed (or moved here), or it only appeared; `at_ns` is the wall clock of this host."""

    path: str
    closed: bool
    at_ns: int


class InboxWatch:
    """Watches one inbox. `handle` may run beside `scan` and `look_again`; those two share a thread."""

    def __init__(
        self,
        name: str,
        inbox: Inbox,
        folder: Path,
        post: Post,
        known: Known,
        clock: Callable[[], float],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`beat` is called now and then in a scan: a long one does not hang."""
        self._beat = beat
        self._inbox = inbox
        self._folder = folder
        self._post = post
        self._known = known
        self._clock = clock
        self._inspect = Inspector(name, inbox, clock)

    @property
    def root(self) -> str:
        """The inbox's folder with all links followed."""
        return os.path.realpath(self._folder)

    def handle(self, events: Iterable[Event]) -> None:
        """Deal with events: what is complete is sent at once, without asking the database."""
        root = self.root
        self._act([met for event in events for met in self._on_event(root, event)])

    def scan(self) -> None:
        """Look at everything in the inbox. Raises what `known` raises; nothing is lost by that."""
        root = self.root
        self._inspect.begin_scan()
        manifests = self._scan_manifests(root)
        whole = True
        batch: list[Met] = []
        try:
            for path, found in walk(root, self._inspect.names):
                if isinstance(found, Refused):
                    whole = False
                    self._inspect.say(path, found.facts, refuse(found.code, found.sentence))
                elif met := self._inspect.meet(root, path, entry=found):
                    batch.append(met)
                self._beat()
                if len(batch) == BATCH:
                    self._offer(batch)
                    batch = []
            self._offer(batch)
            # A folder that cannot be read just now has lost nothing of what is in it.
            if whole:
                self._inspect.end_scan(root, manifests)
        finally:
            self._send(())

    def look_again(self) -> float:
        """Look at the files whose time has come; give the time of the next. Raises what `known` raises."""
        root = self.root
        with self._inspect.lock:
            due = self._inspect.memory.due(self._clock())
        try:
            for start in range(0, len(due), BATCH):
                found = (self._inspect.meet(root, path) for path in due[start : start + BATCH])
                self._offer([met for met in found if met is not None])
        except Exception:
            with self._inspect.lock:
                for path in due:
                    self._inspect.memory.look_again(path, self._clock() + self._inbox.stable_s)
            raise
        finally:
            self._send(())
        with self._inspect.lock:
            return self._inspect.memory.next_due

    def _on_event(self, root: str, event: Event) -> Iterator[Met]:
        name = self._inspect.names.read(event.path)
        paths: Sequence[str] = ()
        if name.role == "semaphore":
            paths = _marked(root, name.marks)
        elif name.role == "manifest" and event.closed and self._inbox.arrival == "manifest":
            self._inspect.read_manifest(root, event.path, at_once=True)
            paths = self._inspect.manifests.listed(event.path)
        elif name.role in ("file", "bad"):
            closed = event.closed or nobody_writes(f"{root}/{event.path}")
            met = self._inspect.meet(root, event.path, closed_ns=event.at_ns if closed else None)
            if met is not None:
                yield met
        promised = event.at_ns if name.role == "semaphore" else None
        for path in paths:
            met = self._inspect.meet(root, path, announced_ns=promised)
            if met is not None:
                yield met

    def _scan_manifests(self, root: str) -> set[str]:
        """Read what is new among the manifests, before the files that they announce are met."""
        present: set[str] = set()
        if self._inbox.arrival != "manifest":
            return present
        for path, found in walk(root, self._inspect.names):
            if not isinstance(found, Refused) and self._inspect.names.read(path).role == "manifest":
                present.add(path)
                self._inspect.read_manifest(root, path, at_once=False)
        return present

    def _offer(self, found: Sequence[Met]) -> None:
        """Ask the database about what was met; act on what it does not know."""
        asked = {met.path: met.file for met in found if met.file is not None}
        answers = self._known(list(asked.values())) if asked else ()
        settled = {path for path, known in zip(asked, answers, strict=True) if known}
        with self._inspect.lock:
            for met in found:
                if met.path in settled:
                    met.entry.become("settled", self._clock())
        self._act([met for met in found if met.path not in settled])

    def _act(self, found: Sequence[Met]) -> None:
        for met in found:
            decision = met.decision
            if decision.act == "refuse":
                run = met.file.run if met.file and decision.code != "unannounced" else None
                self._inspect.say(met.path, met.entry.facts, decision, run)
            elif decision.act != "send":
                self._inspect.undecided(met.path)
            if decision.act == "later":
                with self._inspect.lock:
                    self._inspect.memory.look_again(met.path, decision.when)
        self._send([met for met in found if met.decision.act == "send"])

    def _send(self, ready: Sequence[Met]) -> None:
        troubles = self._inspect.take_troubles()
        mine = self._inspect.claim(ready)
        files = [met.file for met in mine if met.file is not None]
        confirmed = False
        try:
            confirmed = not (files or troubles) or self._post.send(files, troubles)
        finally:
            self._inspect.sent(mine, confirmed=confirmed)
        if confirmed:
            for file in files:
                said = {"trace": trace(file.run, file.name), "run": file.run, "file": file.name}
                log.info("arrived", extra={**said, "inbox": file.inbox, "path": file.path, "size": file.size})


def _marked(root: str, marks: str) -> list[str]:
    """Give the files that a semaphore stands for; with only a stem known, those in its folder that have it."""
    if not marks.endswith("*"):
        return [marks]
    folder, slash, stem = marks.removesuffix("*").rpartition("/")
    try:
        names = [found.name for found in Path(root, folder).iterdir()]
    except OSError:
        return []
    return [f"{folder}{slash}{name}" for name in names if name.startswith(stem)]
