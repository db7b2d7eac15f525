"""Look at one path of an inbox and say what is to be done about it."""

import os
import threading
from collections.abc import Callable, Sequence

from ...statemachine.records import ArrivedFile, Trouble
from ..config.model import Inbox
from ..rundb.announced import ManifestError
from .arrival import Arrival, Decision, numbers, refuse
from .look import Facts, Refused, look
from .manifests import Manifests
from .memory import Entry, Memory
from .names import Name, Names
from .troubles import Troubles


class Met:
    """A file that was met and is not settled; `file` is missing where it has no right name."""

    __slots__ = ("decision", "entry", "file", "path")

    def __init__(self, path: str, entry: Entry, decision: Decision, file: ArrivedFile | None = None) -> None:
        self.path = path
        self.entry = entry
        self.decision = decision
        self.file = file


class Inspector:
    """Everything that is known of one inbox.

    Events and the scan come from two threads; `lock` guards the state, and is held for one file at a time, never
    while a file system, the database or the broker is waited for.
    """

    def __init__(self, name: str, inbox: Inbox, clock: Callable[[], float]) -> None:
        self._name = name
        self._inbox = inbox
        self.clock = clock
        self.names = Names(inbox)
        self.manifests = Manifests(inbox.max_run)
        self.memory = Memory()
        self._drafts = Memory()
        self._arrival = Arrival(inbox, self.names, self.manifests)
        self._troubles = Troubles(name, clock)
        self.lock = threading.RLock()

    def meet(
        self,
        root: str,
        path: str,
        closed_ns: int | None = None,
        announced_ns: int | None = None,
        entry: os.DirEntry[str] | None = None,
    ) -> Met | None:
        """Look at a path; none where nothing is to be done about it now.

        `closed_ns` is when an event said that it is complete, `announced_ns` when something promised it.
        `entry` is the folder's entry where a walk has met it.
        """
        name = self.names.read(path)
        if name.role not in ("file", "bad"):
            return None
        facts = look(root, path, follow=self._inbox.follow_symlinks, entry=entry)
        if facts is None:
            self.gone(root, path, promised=announced_ns is not None)
            return None
        with self.lock:
            seen = facts.facts if isinstance(facts, Refused) else facts
            known = self.memory.observe(path, seen, self.clock())
            known.proven = known.proven or closed_ns is not None
            known.closed_ns = closed_ns or announced_ns or known.closed_ns
            if not self._is_due(known):
                return None
            refused = facts if isinstance(facts, Refused) else None
            decision = self._refused(name, refused) if refused else self._decide(root, path, name, known)
            file = self._file(path, name, known) if name.role == "file" and seen.size >= 0 else None
            return Met(path, known, decision, file)

    def claim(self, found: Sequence[Met]) -> list[Met]:
        """Take what is to be sent and is not being sent by the other thread, which may have met the same file."""
        with self.lock:
            mine = [met for met in found if not met.entry.sending and self._is_due(met.entry)]
            for met in mine:
                met.entry.sending = True
            return mine

    def sent(self, mine: Sequence[Met], *, confirmed: bool) -> None:
        """Note how the sending of claimed files ended."""
        with self.lock:
            for met in mine:
                met.entry.sending = False
                if confirmed:
                    met.entry.become("sent", self.clock())

    def gone(self, root: str, path: str, *, promised: bool) -> None:
        """Forget a file that has gone; it is a trouble only where it was promised and never sent."""
        with self.lock:
            entry = self.memory.get(path)
            self.memory.forget(path)
            waiting = entry is not None and entry.state == "waiting" and self._arrival.is_promised(root, path)
            if waiting or (promised and entry is None):
                what = refuse("file-vanished", "it was announced and is not there")
                self.say(path, entry.facts if entry else None, what)

    def read_manifest(self, root: str, path: str, *, at_once: bool) -> None:
        """Read a manifest that is new or has changed. `at_once`: it is complete, so mistakes are said at once."""
        facts = look(root, path, follow=self._inbox.follow_symlinks)
        with self.lock:
            if facts is None:
                return
            if isinstance(facts, Refused):
                self.say(path, facts.facts, refuse(facts.code, facts.sentence))
                return
            entry = self._drafts.observe(path, facts, self.clock())
            try:
                if not self.manifests.is_current(path, facts):
                    self.manifests.read(root, path, facts, self.names.read(path))
                for outside in self.manifests.outside(path):
                    what = f"the manifest names {outside!r}, which leads out of the inbox"
                    self.say(path, facts, refuse("outside-inbox", what))
            except ManifestError as error:
                # One that is still being written is no JSON either: it gets the time to become stable.
                if at_once or self.clock() >= entry.since + self._inbox.stable_s:
                    self.say(path, facts, refuse(error.code, error.sentence))
                else:
                    self.undecided(path)
            except OSError as error:
                self.say(path, facts, refuse("unreadable", f"the manifest cannot be read: {error.strerror}"))

    def begin_scan(self) -> None:
        """Note that a scan begins."""
        with self.lock:
            self.memory.begin_scan()
            self._drafts.begin_scan()
            self._troubles.begin_round()

    def end_scan(self, root: str, manifests: set[str]) -> None:
        """Forget what a whole scan has not met, and say what is mended; `manifests` are those that it has met."""
        with self.lock:
            self.manifests.keep(manifests)
            for path in self.memory.unseen():
                self.gone(root, path, promised=False)
            for path in self._drafts.unseen():
                self._drafts.forget(path)
            self._troubles.end_round()

    def undecided(self, path: str) -> None:
        """Note that nobody can tell yet whether a path is still in trouble."""
        with self.lock:
            self._troubles.keep(self._at_site(path))

    def say(self, path: str, facts: Facts | None, decision: Decision, run: int | None = None) -> None:
        """Note a trouble with a path."""
        with self.lock:
            self._troubles.say(decision.code, decision.sentence, self._at_site(path), facts, run=run)

    def take_troubles(self) -> list[Trouble]:
        """Give the troubles to send."""
        with self.lock:
            return self._troubles.take()

    def _is_due(self, entry: Entry) -> bool:
        if entry.state == "waiting":
            return True
        patience = self._inbox.resend_s if entry.state == "sent" else self._inbox.recheck_s
        return self.clock() >= entry.at + patience

    def _decide(self, root: str, path: str, name: Name, entry: Entry) -> Decision:
        now = self.clock()
        if name.role == "file":
            return self._arrival.decide(root, path, name, entry, now)
        # Not at once: a detector's temporary name is often gone a moment later.
        due = entry.since + self._inbox.stable_s
        return refuse(name.code, name.sentence) if now >= due else Decision(act="later", when=due)

    def _refused(self, name: Name, refused: Refused) -> Decision:
        # A link within the inbox that no pattern wants (`latest`) bothers nobody.
        if name.role == "bad" and refused.code == "symbolic-link":
            return Decision(act="wait")
        return refuse(refused.code, refused.sentence)

    def _file(self, path: str, name: Name, entry: Entry) -> ArrivedFile:
        run, sequence, kind = numbers(name, self.manifests.get(path))
        return ArrivedFile(
            site=self._inbox.site,
            path=self._at_site(path),
            name=os.path.basename(path),  # noqa: PTH119 (a relative text path, not one of this host)
            run=run,
            sequence=sequence,
            size=entry.facts.size,
            mtime_ns=entry.facts.mtime_ns,
            kind=kind,
            inbox=self._name,
            closed_ns=entry.closed_ns,
        )

    def _at_site(self, path: str) -> str:
        folder = self._inbox.path.strip("/")
        return path if folder in ("", ".") else f"{folder}/{path}"
