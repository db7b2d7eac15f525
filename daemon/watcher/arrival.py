"""When a file counts as arrived: closed and stable, marked by a semaphore, or announced by a manifest."""

import os
from typing import Literal

from ...statemachine.records import Record
from ..config.model import Inbox
from .look import Facts
from .manifests import Announced, Manifests
from .memory import Entry
from .names import LARGEST_SEQUENCE, Name, Names


class Decision(Record):
    """What to do about a file: send it, look again (at once when the time comes, else at the next scan), refuse."""

    act: Literal["send", "later", "wait", "refuse"]
    when: float = 0.0
    code: str = ""
    sentence: str = ""


LARGEST = 2**63 - 1
"""The largest time (ns since 1970, which is the year 2262) and size that the database has room for."""
SEND = Decision(act="send")
WAIT = Decision(act="wait")


class Arrival:
    """The rule of one inbox. Times are of the watcher's monotonic clock; those of files are never compared."""

    def __init__(self, inbox: Inbox, names: Names, manifests: Manifests) -> None:
        self._inbox = inbox
        self._names = names
        self._manifests = manifests

    def decide(self, root: str, path: str, name: Name, entry: Entry, now: float) -> Decision:
        """Say what to do about a file that looks as `entry` says."""
        if not fits(entry.facts):
            return self._settled(entry, now, refuse("time-out-of-range", _out_of_range(entry.facts)))
        if entry.facts.size == 0:
            return self._settled(entry, now, refuse("empty-file", "it is empty; it is taken once something is in it"))
        if self._inbox.arrival == "semaphore":
            return self._by_semaphore(root, path, entry, now)
        if self._inbox.arrival == "manifest":
            return self._by_manifest(path, name, entry, now)
        return SEND if entry.proven else self._settled(entry, now, SEND)

    def is_promised(self, root: str, path: str) -> bool:
        """Say whether a manifest or a semaphore promises a file."""
        if self._inbox.arrival == "semaphore":
            return self._is_marked(root, path)
        return self._manifests.get(path) is not None

    def _settled(self, entry: Entry, now: float, then: Decision) -> Decision:
        due = entry.since + self._inbox.stable_s
        return then if now >= due else Decision(act="later", when=due)

    def _is_marked(self, root: str, path: str) -> bool:
        return os.path.lexists(f"{root}/{self._names.semaphore(path)}")

    def _by_semaphore(self, root: str, path: str, entry: Entry, now: float) -> Decision:
        if not self._is_marked(root, path):
            return WAIT
        # The semaphore of a file that has changed since may be that of its earlier content.
        return SEND if entry.proven or not entry.changed else self._settled(entry, now, SEND)

    def _by_manifest(self, path: str, name: Name, entry: Entry, now: float) -> Decision:
        announced = self._manifests.get(path)
        if announced is None:
            waited = now - entry.since >= self._inbox.manifest_wait_s
            return refuse("unannounced", "no manifest names it; it is taken once one does") if waited else WAIT
        if name.run is not None and name.run != announced.run:
            what = f"its name says run {name.run}, {announced.manifest} says run {announced.run}"
            return refuse("run-differs", what)
        if announced.size is None:
            return SEND if entry.proven else self._settled(entry, now, SEND)
        if announced.size == entry.facts.size:
            return SEND
        what = f"it has {entry.facts.size} bytes, {announced.manifest} says {announced.size}"
        return self._settled(entry, now, refuse("size-differs", what))


def refuse(code: str, sentence: str) -> Decision:
    """Make the decision to refuse a file."""
    return Decision(act="refuse", code=code, sentence=sentence)


def fits(facts: Facts) -> bool:
    """Say whether the database has room for a file's size and time; it cannot even be asked about others."""
    return abs(facts.mtime_ns) <= LARGEST and facts.size <= LARGEST


def _out_of_range(facts: Facts) -> str:
    if facts.size > LARGEST:
        return f"its {facts.size} bytes are more than a file can have here; look at its file system"
    year = 1970 + int(facts.mtime_ns / 1e9 // (86400 * 365.2425))
    return (
        f"its time of change is in about the year {year}, and no later one than 2262 or earlier one than 1678 can be "
        "taken: set the clock of the host that wrote it, then `touch` the file"
    )


def numbers(name: Name, announced: Announced | None) -> tuple[int, int, str | None]:
    """Give run, sequence and type of a file: from its name, else from its manifest (else 0)."""
    if announced is None:
        return name.run or 0, name.sequence or 0, name.kind
    sequence = next(number for number in (name.sequence, announced.sequence, announced.place) if number is not None)
    return announced.run, min(sequence, LARGEST_SEQUENCE), name.kind or announced.kind
