"""The machine as the design's table says it, in plain Python: no SQL, nothing of the store, one item at a time.

Reports, operators, sweeps, runs and arrivals do here what they ought to do in the database. A property test does
the same to both and compares.
"""

from collections.abc import Iterable

from .machine_parts import BLAMED, ESCALATED, LIVE, Arrival, File, Item, Run, Way, Word


class Model:
    """All runs, files and items. Keys of items are (run, sequence); a run's own item has no sequence."""

    def __init__(self, ways: dict[str, Way], default: Way) -> None:
        self.ways, self.default = ways, default
        self.runs: dict[int, Run] = {}
        self.items: dict[tuple[int, int | None], Item] = {}
        self.accepted: list[tuple[int, int | None, int]] = []
        self.counted: list[bool] = []
        self.refused: list[tuple[Arrival, str]] = []
        self.originals: dict[str, tuple[int, int | None]] = {}

    # --- reports ---------------------------------------------------------------------------------------------------

    def report(self, words: Iterable[Word], first: tuple[int, int | None] | None = None) -> set[int]:
        """Apply a batch in order; give the runs of which files changed.

        Of files with one content that are read in one batch any may have it; `first` says which.
        """
        touched, moved, read = set(), {}, []
        for word in words:
            item = self.items[word.run, word.sequence]
            self.counted.append(self.say(item, word))
            if self.counted[-1]:
                if word.trigger != "start":
                    touched.add(word.run)
                if word.trigger == "succeed":
                    moved[word.run, word.sequence] = item
                if word.content is not None:
                    read.append((item, word.content))
        self._read(sorted(read, key=lambda each: (each[0].run, each[0].sequence) != first))
        self.pass_over(moved.values())
        return touched

    def say(self, item: Item, word: Word) -> bool:
        """Apply one word; say whether it counted."""
        if word.epoch != item.epoch or item.phase not in LIVE:
            return False
        if item.owner is not None and item.owner != word.owner:
            return False
        if word.trigger == "start":
            return self._start(item, word)
        {"succeed": self._succeed, "fail": self._fail, "interrupt": self._interrupted}[word.trigger](item, word)
        return True

    def _start(self, item: Item, word: Word) -> bool:
        if item.phase == "executing":
            return False
        item.phase, item.owner, item.host = "executing", word.owner, word.host
        return True

    def _succeed(self, item: Item, word: Word) -> None:
        self.accepted.append((item.run, item.sequence, item.epoch))
        item.host = word.host
        item.advance()

    def _read(self, read: list[tuple[Item, str]]) -> None:
        """A content is the file's that it was first read from; another with it is held, until it is let through."""
        for item, content in read:
            key, mine = (item.run, item.sequence), self.file(item.run, item.sequence)
            mine.content = mine.content or content
            other = self.originals.setdefault(mine.content, key) != key
            if other and item.phase == "ready" and not item.let_through and item.kind not in item.way.doubles:
                item.phase, item.was_duplicate = "held", True

    def _fail(self, item: Item, word: Word) -> None:
        final = word.permanent or (item.step is not None and item.failures >= item.step.retries)
        item.failures, item.nodes, item.host = item.failures + 1, (), word.host
        item.enter("failed" if final else "ready")

    def _interrupted(self, item: Item, word: Word) -> None:
        self.interrupt(item, word.code, word.host)

    def interrupt(self, item: Item, code: str, host: str = "") -> None:
        """The infrastructure was at fault: ready again, unless it looks like the item's own fault after all."""
        host = host or item.host
        nodes = (*item.nodes, host) if code in BLAMED else item.nodes
        many = item.step is not None and (len(set(nodes)) >= item.step.nodes or len(nodes) >= 4 * item.step.nodes)
        kills = code in BLAMED and many
        exhausted = code in ESCALATED and code in item.asked
        item.nodes, item.host = nodes, host
        item.asked = item.asked | {code} if code in ESCALATED else item.asked
        item.enter("failed" if kills or exhausted else "ready")

    def pass_over(self, items: Iterable[Item]) -> None:
        """Take ready items past the steps that their run type bypasses."""
        for item in items:
            while item.phase == "ready" and item.step is not None and item.kind in item.step.bypassed_by:
                item.rank += 1
                item.enter("done" if item.rank == item.way.end(item.scope) else "ready")

    # --- dispatch and sweeps ---------------------------------------------------------------------------------------

    def submit(self, item: Item, epoch: int) -> None:
        if item.phase == "ready" and item.epoch == epoch:
            item.phase, item.host = "submitted", ""

    def expire(self, items: Iterable[Item]) -> None:
        for item in items:
            self.interrupt(item, "lost-lease")

    def restart(self) -> None:
        for item in self.items.values():
            if item.phase in ("submitted", "executing"):
                self.interrupt(item, "given-back")

    # --- operators -------------------------------------------------------------------------------------------------

    MOVES = {  # trigger: from, to
        "resolve": (("failed",), "ready"),
        "hold": ((*LIVE, "failed"), "held"),
        "cancel": ((*LIVE, "failed"), "held"),
        "release": (("held",), "ready"),
        "abandon": (("failed", "held"), "abandoned"),
        "recover": (("abandoned",), "ready"),
    }

    def operate(
        self, trigger: str, items: Iterable[Item], state: str | None = None, *, new_content: bool = False
    ) -> list[Item]:
        """Act on those items that allow it; give them."""
        changed = [item for item in items if self._allowed(trigger, item, state)]
        for item in changed if new_content else ():
            self._take_new_content(item)
        for item in changed:
            if trigger == "reset":
                item.rank = item.way.states.index(state)  # type: ignore[arg-type]
                item.forgive()
                item.asked = frozenset()
                item.enter("ready")
            else:
                target = self.MOVES[trigger][1]
                item.enter(target)
                if target == "ready":
                    item.forgive()
                    item.let_through = item.let_through or (trigger != "resolve" and item.was_duplicate)
                if target == "ready" and item.sequence is None and item.rank < item.way.files_end:
                    item.phase = "waiting"
            item.host = ""
        self.pass_over(changed)
        return changed

    def _take_new_content(self, item: Item) -> None:
        if item.sequence is None or (mine := self.file(item.run, item.sequence)).rewritten is None:
            return
        mine.size, mine.rewritten, mine.content = mine.rewritten, None, None
        self.originals = {content: key for content, key in self.originals.items() if key != (item.run, item.sequence)}

    def _allowed(self, trigger: str, item: Item, state: str | None) -> bool:
        known = self.runs[item.run].known
        if trigger != "reset":
            sources, target = self.MOVES[trigger]
            return item.phase in sources and (target != "ready" or known)
        if state not in item.way.states or item.phase == "waiting" or not known:
            return False
        rank, first = item.way.states.index(state), 0 if item.scope == "file" else item.way.files_end
        return first <= rank <= item.rank and rank < item.way.end(item.scope)

    # --- runs ------------------------------------------------------------------------------------------------------

    def run(self, number: int) -> Run:
        return self.runs.setdefault(number, Run())

    def files_of(self, number: int) -> list[Item]:
        return [item for (run, sequence), item in self.items.items() if run == number and sequence is not None]

    def file(self, run: int, sequence: int | None) -> File:
        return next(f for f in self.runs[run].files if f.sequence == sequence and sequence is not None)

    def pin(self, number: int, kind: str | None) -> None:
        """A run comes into being, or its unknown type is learnt."""
        run = self.run(number)
        if run.pinned and (run.kind is not None or kind is None):
            return
        run.kind, run.known = run.kind or kind, (run.kind or kind) in self.ways
        if not run.pinned:
            run.pinned = True
            self.items[number, None] = Item(number, None, self._way(run.kind), run.kind or "", phase="waiting")
        else:
            self._start_again(number)

    def _way(self, kind: str | None) -> Way:
        return self.ways.get(kind or "", self.default)

    def _start_again(self, number: int) -> None:
        run = self.runs[number]
        for item in [*self.files_of(number), self.items[number, None]]:
            item.way, item.kind, item.rank, item.owner, item.host = self._way(run.kind), run.kind or "", 0, None, ""
            item.forgive()
            item.asked = frozenset()
            item.epoch += 1
            if item.sequence is None:
                item.phase = "waiting"
            elif item.phase != "abandoned":
                item.phase = "ready" if run.known else "held"
        self.pass_over(self.files_of(number))

    def gather(self, number: int, *, also_open: bool = False) -> None:
        """A run's item goes to where its files are; not at all while it is open, but by what opened it."""
        run, item = self.runs[number], self.items[number, None]
        if not run.closed and not also_open:
            return
        allowed, last = self.reached(number), item.way.files_end
        if min(item.rank, last) > allowed:
            kept = item.phase in ("held", "abandoned")
            item.rank, item.phase, item.owner, item.host = allowed, item.phase if kept else "waiting", None, ""
            item.epoch += 1
            item.forgive()
            return
        while item.phase == "waiting" and item.rank < allowed:
            item.rank += 1
            if item.rank == last:
                item.forgive()
                item.host = ""
                item.enter("done" if last == len(item.way.steps) else "ready")

    def reached(self, number: int) -> int:
        run, way = self.runs[number], self.items[number, None].way
        if not run.closed or run.expected is None or run.registered + run.waived != run.expected:
            return 0
        files = [item for item in self.files_of(number) if item.phase != "abandoned"]
        if way.files_end < len(way.steps) and way.steps[way.files_end].accepts_failed:
            alive = [item.rank for item in files if item.phase != "failed"]
            if min(alive, default=way.files_end) == way.files_end:
                return way.files_end
        return min((item.rank for item in files), default=way.files_end)

    def close(self, number: int, expected: int | None = None) -> bool:
        run = self.runs[number]
        if run.closed and expected is None:
            return False
        count = run.expected if expected is None else expected
        run.expected = run.registered + run.waived if count is None else count
        run.closed = True
        return self._said(number, "close")

    def expect(self, number: int, count: int) -> bool:
        self.runs[number].expected = count
        return self._said(number, "expect")

    def waive(self, number: int, sequence: int) -> bool:
        run = self.runs[number]
        there = [file for file in run.files if file.sequence == sequence]
        if any(file.place is not None or file.waived for file in there):
            return False
        if there:
            there[0].waived = True
        else:
            run.files.append(File(f"sequence {sequence}", sequence, waived=True))
        return self._said(number, "waive")

    def reopen(self, number: int) -> bool:
        if not self.runs[number].closed:
            return False
        self.runs[number].closed = False
        return self._said(number, "reopen")

    def reclassify(self, number: int, kind: str) -> bool:
        run = self.runs[number]
        if kind not in self.ways or (run.kind == kind and run.known):
            return False
        run.kind, run.known = kind, True
        self._said(number, "reclassify")
        self._start_again(number)
        return True

    def _said(self, number: int, what: str) -> bool:
        self.runs[number].said.add(what)
        self.gather(number, also_open=True)
        return True

    def inform(
        self,
        number: int,
        *,
        kind: str | None,
        expected: int | None,
        closed: bool,
        identity: str | None,
        files: Iterable[tuple[str, int | None, int | None]] = (),
    ) -> str:
        """A run database says what it knows; give the trouble's code, empty for none."""
        self.pin(number, kind)
        run = self.runs[number]
        if run.identity is not None and identity is not None and identity != run.identity:
            return "run-number-reused"
        trouble = "kind-mismatch" if kind not in (None, run.kind) and "reclassify" not in run.said else ""
        listed = list(files)
        for name, sequence, size in listed:
            if not any(f.name == name or (sequence is not None and f.sequence == sequence) for f in run.files):
                run.files.append(File(name, sequence, size=size))
        count = expected if expected is not None else (len(listed) or None)
        if run.expected is None or not run.said & {"expect", "close"}:
            run.expected = count if count is not None else run.expected
        run.closed = run.closed or (closed and "reopen" not in run.said)
        run.identity = run.identity or identity
        return trouble

    # --- arrivals --------------------------------------------------------------------------------------------------

    def arrive(self, arrivals: list[Arrival]) -> set[int]:
        """Register files one by one; give the runs that got new ones. `refused` tells the troubles' codes."""
        kinds: dict[int, str | None] = {}
        for a in arrivals:
            kinds[a.run] = kinds.get(a.run) or a.kind
        for number, kind in sorted(kinds.items()):
            self.pin(number, kind)
        self.refused, touched = [], set()
        for a in arrivals:
            verdict = self.judge(a)
            if verdict == "new":
                touched.add(a.run)
                self._register(a)
            elif verdict != "same":
                self.refused.append((a, verdict))
        return touched

    def judge(self, a: Arrival) -> str:
        run = self.runs[a.run]
        here = [f for f in run.files if f.place == a.place]
        named = [f for f in run.files if f.name == a.name]
        numbered = [f for f in run.files if f.sequence == a.sequence]
        found = next(iter([*here, *named, *numbered]), None)
        if found is not None and found.place == a.place and found.size == a.size:
            return "same"
        if a.kind is not None and run.kind is not None and a.kind != run.kind and "reclassify" not in run.said:
            return "kind-mismatch"
        if found is None:
            return "new"
        if found.place is None:
            return self._announced(a, found, numbered)
        if found.place != a.place:
            return "name-twice" if found.name == a.name else "sequence-twice"
        found.rewritten = a.size
        return "rewritten"

    def _announced(self, a: Arrival, found: File, numbered: list[File]) -> str:
        if numbered and numbered[0] is not found:
            return "name-twice" if numbered[0].name == a.name else "sequence-twice"
        if found.sequence not in (None, a.sequence):
            return "sequence-differs"
        return "size-differs" if found.size not in (None, a.size) else "new"

    def _register(self, a: Arrival) -> None:
        run = self.runs[a.run]
        file = next((f for f in run.files if f.name == a.name), None)
        file = file or next((f for f in run.files if f.sequence == a.sequence), None)
        if file is None:
            file = File(a.name, a.sequence)
            run.files.append(file)
        file.name, file.sequence, file.place, file.size, file.waived = a.name, a.sequence, a.place, a.size, False
        phase = "ready" if run.known else "held"
        item = Item(a.run, a.sequence, self._way(run.kind), run.kind or "", phase=phase)
        self.items[a.run, a.sequence] = item
        self.pass_over([item])
