"""What one file costs PostgreSQL: each statement is a round trip, and a file waits for all of them at every step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from headframe.consumers.broker import Outgoing
from headframe.consumers.messages import Arrived, Report, encode
from headframe.daemon.conductor.conductor import Conductor, ConductorSettings
from headframe.statemachine.pipeline import RunType, Step, build
from headframe.statemachine.records import ArrivedFile, Outcome

from .small_machine import WORKER, SmallMachine
from .test_outbox import Office

NOOP = build(
    "noop",
    [Step(name="one", to="first", makes="nothing"), Step(name="two", to="second", makes="nothing")],
    {"science": RunType()},
)


class Counting:
    """A conductor over a small machine, and the statements of its turns."""

    def __init__(self, machine: SmallMachine) -> None:
        self.machine, self.office = machine, Office(machine, ("one", "two"))
        self.names = self.office.names
        settings = ConductorSettings(refill_s=3600)
        self.conductor = Conductor(machine.engine, self.office.broker, self.names, machine.book, settings)
        self.conductor.turn(0.0)

    def arrive(self, sequence: int) -> list[str]:
        file = ArrivedFile(
            site="source",
            path=f"1/{sequence}",
            name=f"1_{sequence}",
            run=1,
            sequence=sequence,
            size=3,
            mtime_ns=1,
            kind="science",
        )
        return self._turn(self.names.arrivals, Arrived(files=(file,)))

    def succeed(self, sequence: int) -> list[str]:
        found = self.machine.item(1, sequence)
        outcome = Outcome(item=found.id, epoch=found.epoch, trigger="succeed", step=found.step)
        return self._turn(self.names.reports("live"), Report(reporter=WORKER, lane="live", outcomes=(outcome,)))

    def _turn(self, queue: str, message: Arrived | Report) -> list[str]:
        self.office.broker.publish([Outgoing(key=queue, body=encode(message))])
        with self._statements() as seen:
            assert self.conductor.turn(0.0) == 1
        return seen

    @contextmanager
    def _statements(self) -> Iterator[list[str]]:
        seen: list[str] = []

        def note(*of: object) -> None:
            seen.append(str(of[2]))

        event.listen(self.machine.engine, "before_cursor_execute", note)
        yield seen
        event.remove(self.machine.engine, "before_cursor_execute", note)


@pytest.fixture
def counting(database_url: str, tmp_path: Path) -> Iterator[Counting]:
    machine = SmallMachine(database_url, tmp_path, NOOP)
    yield Counting(machine)
    machine.engine.dispose()


def test_a_file_takes_few_statements_at_every_step(counting: Counting) -> None:
    counting.arrive(1)
    counting.succeed(1)  # what is the first of its kind is looked up, and known from then on
    assert len(seen := counting.arrive(2)) <= 6 + 5 + 1, seen
    assert counting.machine.item(1, 2).phase == "submitted"
    assert len(seen := counting.succeed(2)) <= 4 + 5 + 1, seen
    assert counting.machine.item(1, 2).phase == "submitted"
    assert len(seen := counting.succeed(2)) <= 4 + 1, seen
    assert counting.machine.item(1, 2).phase == "done"
