"""What the watcher remembers of an inbox: a few numbers for each file that is in it now, and no more."""

from typing import Literal

from .look import Facts

State = Literal["waiting", "sent", "settled"]


class Entry:
    """One file: what it looks like, `since` when, what state it is in and since when (`at`).

    Times are of the watcher's monotonic clock. `proven` says that the file is complete as it is, `changed` that
    it looked different before, `sending` that a thread is telling of it just now. `sends` counts how often it was sent
    since the database knew it (or at all). `closed_ns` is the wall clock at the
    event that proved it.
    """

    __slots__ = ("at", "changed", "closed_ns", "facts", "proven", "scan", "sending", "sends", "since", "state")

    def __init__(self, facts: Facts, now: float, *, changed: bool) -> None:
        self.facts = facts
        self.since = now
        self.at = now
        self.state: State = "waiting"
        self.proven = False
        self.changed = changed
        self.sending = False
        self.sends = 0
        self.closed_ns: int | None = None
        self.scan = 0

    def become(self, state: State, now: float) -> None:
        """Note what was done about the file."""
        self.state = state
        self.at = now
        self.sends = self.sends + 1 if state == "sent" else 0


class Memory:
    """Entries by path, and the paths to look at again before the next scan."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._timed: dict[str, float] = {}
        self._next = float("inf")
        self._scan = 0

    def observe(self, path: str, facts: Facts, now: float) -> Entry:
        """Note what a file looks like; one that looks different begins anew."""
        entry = self._entries.get(path)
        if entry is None or entry.facts != facts:
            entry = self._entries[path] = Entry(facts, now, changed=entry is not None)
        entry.scan = self._scan
        return entry

    def get(self, path: str) -> Entry | None:
        """Give what is remembered of a path."""
        return self._entries.get(path)

    def forget(self, path: str) -> None:
        """Drop a path that has gone."""
        self._entries.pop(path, None)
        self._timed.pop(path, None)

    def look_again(self, path: str, when: float) -> None:
        """Have a path looked at again at a time."""
        self._timed[path] = when
        self._next = min(self._next, when)

    def due(self, now: float) -> list[str]:
        """Give the paths whose time has come; each is given once."""
        if now < self._next:
            return []
        paths = [path for path, when in self._timed.items() if when <= now]
        for path in paths:
            del self._timed[path]
        self._next = min(self._timed.values(), default=float("inf"))
        return paths

    @property
    def next_due(self) -> float:
        """The earliest time at which a path may be due; infinite where none is."""
        return self._next

    def begin_scan(self) -> None:
        """Note the start of a scan, so that its end can tell what has gone."""
        self._scan += 1

    def unseen(self) -> list[str]:
        """Give the paths that have not been observed since the scan began."""
        return [path for path, entry in self._entries.items() if entry.scan != self._scan]

    def __len__(self) -> int:
        return len(self._entries)
