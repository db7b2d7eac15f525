"""Messages that PostgreSQL refuses, in part: the part is named and ended, everything else is taken."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from headframe.consumers.broker import Names, Outgoing
from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub
from headframe.consumers.messages import Arrived, Marker, Message, Report, decode, encode
from headframe.daemon.conductor.batch import TurnFailedError
from headframe.daemon.conductor.conductor import Conductor, ConductorSettings
from headframe.daemon.conductor.parking import Parking
from headframe.statemachine.records import ArrivedFile, Checksums, ExpectedFile, Location, Outcome, Product, RunInfo
from headframe.statemachine.records import Trouble as Bad
from headframe.statemachine.store.core import database_time
from headframe.statemachine.store.letters import ask_replay
from headframe.statemachine.views import dead_letter_body, dead_letters

from .small_machine import WORKER, SmallMachine

STEPS = ("salt", "place", "reconstruct", "catalog", "summary", "settle")
SUMS = Checksums(adler32="0" * 8, blake3="0" * 64)


class Conducted(SmallMachine):
    """A small machine whose messages go through a conductor."""

    def __init__(self, url: str, root: Path) -> None:
        super().__init__(url, root)
        self.names, self.broker = Names("headframe"), MemoryBroker(MemoryHub())
        self.broker.declare(self.names.topology(STEPS))
        self.conductor = Conductor(self.engine, self.broker, self.names, self.book, ConductorSettings())

    def hear(self, *messages: Message) -> None:
        """Let the conductor deal with these in one batch."""
        queues = [self.names.arrivals if isinstance(each, Arrived) else self.names.reports("live") for each in messages]
        self.broker.publish([Outgoing(key=q, body=encode(m)) for q, m in zip(queues, messages, strict=True)])
        self.conductor.turn(0.0)

    def outcome(self, sequence: int, **made: Any) -> Outcome:
        found = self.item(1, sequence)
        folder = Location(site="work", path=f"attempts/{found.id}")
        return Outcome(
            item=found.id, epoch=found.epoch, step=found.step, **{"trigger": "succeed", "folder": folder, **made}
        )

    def letters(self) -> list[tuple[str, str]]:
        with self.engine.connect() as conn:
            return [(row.code, row.sentence) for row in dead_letters(conn).rows]

    def left(self) -> int:
        return self.broker.depth(self.names.arrivals) + self.broker.depth(self.names.reports("live"))


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[Conducted]:
    made = Conducted(database_url, tmp_path)
    yield made
    made.engine.dispose()


def file(n: int, path: str = "", name: str = "", **more: Any) -> ArrivedFile:
    path = path or f"inbox/{n}"
    name = name or path.rpartition("/")[2]
    more = {"size": 3, "mtime_ns": 1, **more}
    return ArrivedFile(site="source", path=path, name=name, run=1, sequence=n, kind="science", **more)


def report(*outcomes: Outcome, **more: Any) -> Report:
    return Report(reporter=WORKER, lane="live", outcomes=outcomes, **more)


def product(name: str, **more: Any) -> Product:
    return Product(name=name, type="t", location=Location(site="work", path=name), size=3, checksums=SUMS, **more)


TWICE = {"products": (product("a.root"), product("a.root"))}
NUL = {"products": (product("b.root", metadata={"key": "\0"}),)}


@pytest.mark.parametrize("bad", [TWICE, NUL], ids=["twice", "nul"])
def test_a_result_that_is_refused_fails_its_item_and_takes_no_other_with_it(
    machine: Conducted, bad: dict[str, Any]
) -> None:
    machine.arrive(1, 1, 2, 3)
    good = machine.outcome(1, products=(product("good.root"),))
    after = machine.outcome(3, products=(product("after.root"),))
    machine.hear(report(good, machine.outcome(2, **bad), after, steps=("salt",)))
    assert [(machine.item(1, n).state, machine.item(1, n).phase) for n in (1, 2, 3)] == [
        ("salted", "submitted"),
        ("arrived", "failed"),
        ("salted", "submitted"),
    ]
    failed = machine.item(1, 2)
    assert failed.reason_code == "result-refused"
    assert failed.reason.startswith("its result could not be stored: ") and "\n" not in failed.reason
    ((code, sentence),) = machine.letters()
    assert code == "message-refused" and "run1_0002.h5 of run 1" in sentence
    with machine.engine.connect() as conn:
        assert conn.execute(text("select detail ->> 'steps' from process where owner = 'w-1'")).scalar_one()
        cleaned = text("select path from settle where action = 'clean'")
        assert conn.execute(cleaned).scalars().all() == [f"attempts/{failed.id}"]
    assert machine.left() == 0


def test_a_letter_of_a_refused_part_keeps_and_replays_that_part_alone(machine: Conducted) -> None:
    machine.arrive(1, 1, 2, 3)
    bad = machine.outcome(2, **NUL)
    machine.hear(report(machine.outcome(1), bad, machine.outcome(3)))
    before = [machine.item(1, n).version for n in (1, 2, 3)]
    with machine.engine.begin() as conn:
        (letter,) = dead_letters(conn).rows
        assert decode(dead_letter_body(conn, letter.id), Report).outcomes == (bad,)
        ask_replay(conn, [letter.id], None, actor="anna", reason="let us see")
    Parking(machine.engine, machine.broker, machine.names, look_s=0).turn(0.0)
    assert machine.conductor.turn(1.0) == 1
    with machine.engine.connect() as conn:
        assert conn.execute(text("select item_id, cause from late")).all() == [(bad.item, "phase-failed")]
        assert dead_letters(conn).rows == ()
    assert [machine.item(1, n).version for n in (1, 2, 3)] == before


def test_a_failure_that_cannot_be_written_down_still_is_one_and_keeps_its_words(machine: Conducted) -> None:
    machine.arrive(1, 1)
    machine.hear(report(machine.outcome(1, trigger="fail", reason_code="bad", reason="a bad \0 byte")))
    item = machine.item(1, 1)
    assert (item.phase, item.reason_code) == ("failed", "result-refused")
    assert "it had said bad: a bad \\0 byte" in item.reason


def test_a_refused_result_that_comes_again_changes_nothing(machine: Conducted) -> None:
    machine.arrive(1, 1)
    said = report(machine.outcome(1, **TWICE))
    machine.hear(said)
    before = machine.item(1, 1).version
    machine.hear(said)
    assert machine.item(1, 1).version == before
    assert machine.left() == 0


def test_a_report_on_no_item_at_all_is_a_letter(machine: Conducted) -> None:
    machine.arrive(1, 1)
    wrong = msgspec.structs.replace(machine.outcome(1, **TWICE), item=2**70)
    machine.hear(report(wrong, machine.outcome(1, products=(product("good.root"),))))
    assert machine.item(1, 1).state == "salted"
    assert [code for code, _ in machine.letters()] == ["message-refused"]


def test_markers_wait_for_what_had_to_be_taken_apart_before_them(machine: Conducted) -> None:
    machine.arrive(1, 1, 2)

    def marker() -> Marker:
        with machine.engine.connect() as conn:
            return Marker(lane="live", sent_at=database_time(conn))

    machine.hear(marker())
    last = marker()
    machine.hear(report(machine.outcome(1, **TWICE), machine.outcome(2, **NUL)), last)
    with machine.engine.connect() as conn:
        assert conn.execute(text("select applied_at from watermark")).scalar_one() == last.sent_at
    assert [machine.item(1, n).phase for n in (1, 2)] == ["failed", "failed"]


def test_one_bad_file_of_a_message_is_named_and_the_others_are_registered(machine: Conducted) -> None:
    bad = file(2, path="inbox/bad\0one", name="b")
    machine.hear(Arrived(files=(file(1), bad, file(3)), runs=(RunInfo(run=2, source="rundb", kind="science"),)))
    assert [machine.item(1, n).phase for n in (1, 3)] == ["submitted", "submitted"]
    ((code, sentence),) = machine.letters()
    assert code == "message-refused" and sentence.startswith("inbox/bad\\0one could not be registered: ")
    with machine.engine.connect() as conn:
        assert conn.execute(text("select count(*) from run where number = 2")).scalar_one() == 1
        found = conn.execute(text("select subject, payload, run_number from dead_letter")).one()
        assert found == ("inbox/bad\\0one", "source:inbox/bad\\0one", 1)


def test_one_bad_run_of_a_message_is_named_and_the_others_are_taken(machine: Conducted) -> None:
    bad = RunInfo(run=2, source="rundb", kind="science", metadata={"note": "\0"})
    machine.hear(Arrived(runs=(bad, RunInfo(run=3, source="rundb", kind="science")), files=(file(1),)))
    assert machine.item(1, 1).phase == "submitted" and machine.item(3, None).phase == "waiting"
    ((code, sentence),) = machine.letters()
    assert code == "message-refused" and "rundb says of run 2 could not be written down" in sentence


def test_two_announced_files_that_come_under_one_name_are_one_file_and_one_letter(machine: Conducted) -> None:
    machine.inform(1, files=(ExpectedFile(name="a", sequence=1), ExpectedFile(name="b", sequence=2)))
    machine.hear(Arrived(files=(file(1, "in/1/raw.h5"), file(2, "in/2/raw.h5"), file(3, "in/c"))))
    assert [machine.item(1, n).phase for n in (1, 3)] == ["submitted", "submitted"]
    assert [code for code, _ in machine.letters()] == ["name-twice"]


LONG = "inbox/" + "/".join(secrets.token_hex(100) for _ in range(19)) + "/run1_science_1"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (Arrived(files=(file(1, LONG),)), "run1_science_1: its path has 38"),
        (
            Arrived(runs=(RunInfo(run=2, source="rundb", files=(ExpectedFile(name=LONG),)),)),
            "rundb announces for run 2 a file whose name has 38",
        ),
        (Arrived(troubles=(Bad(code="path-too-long", sentence="said elsewhere", subject=LONG),)), "said elsewhere"),
    ],
    ids=["file", "run", "trouble"],
)
def test_a_path_that_no_index_takes_is_one_line_and_stops_nobody(machine: Conducted, bad: Arrived, said: str) -> None:
    machine.hear(bad, Arrived(files=(file(2),)))
    assert machine.item(1, 2).phase == "submitted"
    ((code, sentence),) = machine.letters()
    assert code == "path-too-long" and said in sentence and len(sentence) < 600
    assert machine.left() == 0


def test_what_fails_for_every_message_is_our_fault_and_nothing_is_put_aside(machine: Conducted) -> None:
    machine.arrive(1, 1, 2, 3)
    machine.sql("alter table product add constraint ours check (name = '')")
    bodies = [encode(report(machine.outcome(n, products=(product(f"{n}.root"),)))) for n in (1, 2, 3)]
    machine.broker.publish([Outgoing(key=machine.names.reports("live"), body=body) for body in bodies])
    with pytest.raises(TurnFailedError):
        machine.conductor.turn(0.0)
    assert machine.letters() == [] and machine.item(1, 1).phase != "failed"
    machine.sql("alter table product drop constraint ours")
    machine.conductor.turn(0.0)
    assert [machine.item(1, n).state for n in (1, 2, 3)] == ["salted"] * 3


def test_a_table_that_is_not_there_yet_is_no_messages_fault(machine: Conducted) -> None:
    machine.arrive(1, 1)
    machine.sql("alter table product rename to product_later")
    said = report(machine.outcome(1, products=(product("a.root"),)))
    with pytest.raises(Exception, match="product"):
        machine.hear(said)
    assert machine.letters() == []
    machine.sql("alter table product_later rename to product")
    machine.conductor.turn(0.0)
    assert machine.item(1, 1).state == "salted"
