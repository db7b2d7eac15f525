"""Sorts a batch: what each message says, by kind; what is no message, or is too long to store, is put aside."""

from collections.abc import Iterable

from ...consumers.broker import Delivery
from ...consumers.messages import Arrived, Marker, Report, Settled
from ...statemachine.records import ArrivedFile, PilotWord, Reporter, RunInfo, Trouble
from ...statemachine.store.dead import cut, place_of
from ...statemachine.store.fold import Said
from .parts import Part

LONGEST = 2500
"""The most bytes of a path and its site's name, and of a name. Their indexes take up to 2,704."""


class Sorted:
    """A batch of messages or parts of them, sorted in queue order."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.said: list[Said] = []
        self.by_lane: dict[str, list[Said]] = {}
        self.beats: list[tuple[int, int, str]] = []
        self.settled: list[Settled] = []
        self.marks: dict[str, tuple[Marker, int]] = {}
        self.workers: dict[str, Report] = {}
        self.pilots: list[PilotWord] = []
        self.files: list[ArrivedFile] = []
        self.runs: list[RunInfo] = []
        self.troubles: list[Trouble] = []
        self.unreadable: list[tuple[Delivery, str]] = []
        for part in parts:
            self._sort(part)

    def _sort(self, part: Part) -> None:
        message = part.message
        if message is None:
            self.unreadable.append((part.delivery, part.reason))
        elif isinstance(message, Report):
            self._report(message, whole=part.whole)
        elif isinstance(message, Arrived):
            self._arrived(message)
        elif isinstance(message, Marker):
            self.marks[message.lane] = message, part.delivery.session

    def _report(self, report: Report, *, whole: bool) -> None:
        reporter: Reporter = report.reporter
        if whole:
            self.workers[reporter.owner] = report
            self.pilots += [report.pilot] if report.pilot is not None else []
        said = [Said(outcome=outcome, reporter=reporter) for outcome in report.outcomes]
        self.said += said
        self.by_lane.setdefault(report.lane, []).extend(said)
        self.beats += [(item, epoch, reporter.owner) for item, epoch in report.beats]
        self.settled += report.settled

    def _arrived(self, message: Arrived) -> None:
        self.troubles += message.troubles
        for file in message.files:
            if _size(file.site) + _size(file.path) > LONGEST or _size(file.name) > LONGEST:
                self.troubles.append(_file_too_long(file))
            else:
                self.files.append(file)
        for info in message.runs:
            long = [file.name for file in info.files if _size(file.name) > LONGEST]
            if long:
                self.troubles.append(_name_too_long(info, long[0]))
            else:
                self.runs.append(info)


def shown(path: str) -> str:
    """Give a path short enough for a sentence: its beginning, and the file's own name."""
    if _size(path) <= 300:
        return path
    return f"{cut(path, 100)}/{cut(path.rpartition('/')[2], 200)}"


def _size(words: str) -> int:
    return len(words.encode(errors="replace"))


def _file_too_long(file: ArrivedFile) -> Trouble:
    sentence = (
        f"{shown(file.path)}: its path has {_size(file.path)} bytes, more than the {LONGEST} that a path and its "
        "site's name may have together; it was not taken: move it to a shorter one"
    )
    return Trouble(
        code="path-too-long",
        sentence=sentence,
        subject=file.path,
        run=file.run,
        payload=place_of(file.site, file.path),
        source=file.inbox,
        size=file.size,
        mtime_ns=file.mtime_ns,
    )


def _name_too_long(info: RunInfo, name: str) -> Trouble:
    sentence = (
        f"{info.source} announces for run {info.run} a file whose name has {_size(name)} bytes, more than {LONGEST}: "
        f"{shown(name)}; nothing of the run was changed: mend its list"
    )
    return Trouble(
        code="path-too-long",
        sentence=sentence,
        subject=f"{info.source}: run {info.run}",
        run=info.run,
        payload=name,
        source=info.source,
    )
