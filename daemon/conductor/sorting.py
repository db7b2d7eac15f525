"""Sorts deliveries: what each message says, by kind; what does not decode is put aside with its reason."""

from collections.abc import Iterable

from ...consumers.broker import Delivery
from ...consumers.messages import Arrived, Marker, MessageError, Report, Settled, decode
from ...statemachine.records import ArrivedFile, Reporter, RunInfo, Trouble
from ...statemachine.store.fold import Said


class Sorted:
    """A batch of deliveries, sorted in queue order."""

    def __init__(self, deliveries: Iterable[Delivery]) -> None:
        self.said: list[Said] = []
        self.beats: list[tuple[int, int, str]] = []
        self.settled: list[Settled] = []
        self.marks: dict[str, tuple[Marker, int]] = {}
        self.workers: dict[str, Report] = {}
        self.files: list[ArrivedFile] = []
        self.runs: list[RunInfo] = []
        self.troubles: list[Trouble] = []
        self.unreadable: list[tuple[Delivery, str]] = []
        for delivery in deliveries:
            self._sort(delivery)

    def _sort(self, delivery: Delivery) -> None:
        try:
            message = decode(delivery.body, Report, Arrived, Marker)
        except MessageError as error:
            self.unreadable.append((delivery, str(error)))
            return
        if isinstance(message, Report):
            self._report(message)
        elif isinstance(message, Arrived):
            self.files += message.files
            self.runs += message.runs
            self.troubles += message.troubles
        elif isinstance(message, Marker):
            self.marks[message.lane] = message, delivery.session

    def _report(self, report: Report) -> None:
        reporter: Reporter = report.reporter
        self.workers[reporter.owner] = report
        self.said += [Said(outcome=outcome, reporter=reporter) for outcome in report.outcomes]
        self.beats += [(item, epoch, reporter.owner) for item, epoch in report.beats]
        self.settled += report.settled
