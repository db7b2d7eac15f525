"""A raw file whose checksum its run announced: other content goes no further, and the right one mends it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from blake3 import blake3
from sqlalchemy import text
from zlib_ng import zlib_ng

from headframe.consumers.broker import Delivery
from headframe.consumers.messages import Arrived, Message, Report
from headframe.daemon.conductor.applying import apply
from headframe.daemon.conductor.parts import Part
from headframe.daemon.conductor.sorting import Sorted
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import (
    ArrivedFile,
    Checksums,
    Copy,
    ExpectedFile,
    Location,
    Outcome,
    Product,
    RunInfo,
    Trouble,
)
from headframe.statemachine.store import runs
from headframe.statemachine.store.announced import same_sum
from headframe.statemachine.store.arrivals import register
from headframe.statemachine.store.dead import bury
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.verify import verify

from .servers import wait_until
from .small_machine import WORKER, SmallMachine

NAME = "run1_0001.h5"


def sums(content: str) -> Checksums:
    body = content.encode()
    return Checksums(adler32=f"{zlib_ng.adler32(body):08x}", blake3=blake3(body).hexdigest())


RIGHT, WRONG = sums("raw 1 1"), sums("something else")


def announce(machine: SmallMachine, adler32: str | None) -> tuple[Trouble, ...]:
    info = RunInfo(run=1, source="rundb", kind="science", files=(ExpectedFile(name=NAME, sequence=1, adler32=adler32),))
    with machine.engine.begin() as conn:
        return runs.inform(conn, info, machine.book)


def values(machine: SmallMachine, statement: str) -> list[Any]:
    with machine.engine.connect() as conn:
        return list(conn.execute(text(statement)).scalars())


def salted(machine: SmallMachine, raw: Checksums) -> None:
    """Report salt as its worker does, with the sums that it found."""
    found = machine.item(1, 1)
    folder = Location(site="work", path=f"attempts/a/{found.id}-salt/e{found.epoch}-{WORKER.owner}")
    product = Product(
        name="x.h5",
        type="salt",
        location=Location(site="work", path=f"{folder.path}/x.h5"),
        size=3,
        checksums=sums("x"),
    )
    machine.say(1, 1, "start", folder=folder)
    machine.say(1, 1, "succeed", products=(product,), raw=raw, folder=folder)


def test_a_file_of_other_content_than_announced_fails_for_good_and_nothing_of_it_is_accepted(
    machine: SmallMachine,
) -> None:
    announce(machine, RIGHT.adler32)
    machine.arrive(1, 1)
    salted(machine, WRONG)
    found = machine.item(1, 1)
    assert (found.state, found.phase, found.reason_code) == ("arrived", "failed", "checksum-differs")
    assert found.reason.startswith(f"{NAME} has adler32 {WRONG.adler32}, run 1 announced {RIGHT.adler32}; nothing made")
    assert f"headframe reset --run 1 --file {NAME} --to arrived --new-content" in found.reason
    assert (found.adler32, found.blake3) == (None, None)
    assert values(machine, "select count(*) from product") == [0]
    assert values(machine, "select count(*) from original") == [0]
    assert values(machine, "select outcome from attempt") == ["failed"]
    assert values(machine, "select path from settle where action = 'clean'") == [
        f"attempts/a/{found.id}-salt/e1-{WORKER.owner}"
    ]
    assert values(machine, "select count(*) from settle where action = 'link'") == [0]
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


def test_a_copy_of_other_content_is_removed_wherever_it_was_made(machine: SmallMachine) -> None:
    announce(machine, RIGHT.adler32)
    machine.arrive(1, 1, kind="science")
    place = Location(site="archive", path="attempts/a/1-place/e1-w-1/copy.h5")
    folder = Location(site="work", path="attempts/a/1-place/e1-w-1")
    copy = Copy(of="raw", location=place, size=3, checksums=WRONG)
    machine.say(1, 1, "succeed", copies=(copy,), raw=WRONG, folder=folder, skipped=True)
    assert machine.item(1, 1).phase == "failed"
    assert values(machine, "select outcome from attempt") == ["failed"]
    assert set(values(machine, "select site from settle where path = 'attempts/a/1-place/e1-w-1'")) == {
        "work",
        "archive",
    }


@pytest.mark.parametrize("said", [RIGHT.adler32, RIGHT.adler32.upper(), f"0x{RIGHT.adler32.lstrip('0')}", "", None])
def test_the_announced_content_goes_on_however_its_sum_is_written(machine: SmallMachine, said: str | None) -> None:
    announce(machine, said)
    machine.arrive(1, 1)
    salted(machine, RIGHT)
    assert machine.item(1, 1).state == "salted"


def test_the_corrected_file_is_taken_with_its_new_content(machine: SmallMachine) -> None:
    announce(machine, RIGHT.adler32)
    machine.arrive(1, 1)
    salted(machine, WRONG)
    again = ArrivedFile(
        site="source", path=f"inbox/{NAME}", name=NAME, run=1, sequence=1, size=8, mtime_ns=2, kind="science"
    )
    with machine.engine.begin() as conn:
        bury(conn, register(conn, [again], machine.book).troubles)
    reset = {"actor": "anna", "reason": "written again", "state": "arrived", "new_content": True}
    assert operate(machine.engine, Trigger.RESET, Selection(runs=(1,), files=(NAME,)), **reset).changed == 1
    salted(machine, RIGHT)
    assert (machine.item(1, 1).state, machine.item(1, 1).adler32) == ("salted", RIGHT.adler32)


def failed_by_its_announcement(machine: SmallMachine) -> Any:
    """Fail a sound file, for its announcement is wrong; give its item."""
    announce(machine, WRONG.adler32)
    machine.arrive(1, 1)
    salted(machine, RIGHT)
    found = machine.item(1, 1)
    assert (found.phase, found.reason_code) == ("failed", "checksum-differs")
    return found


def test_a_file_that_failed_for_its_announcement_is_tried_again_when_that_is_corrected(machine: SmallMachine) -> None:
    before = failed_by_its_announcement(machine)
    assert announce(machine, RIGHT.adler32) == ()
    found = machine.item(1, 1)
    assert (found.phase, found.trigger, found.actor) == ("ready", "resolve", "conductor")
    assert (found.reason_code, found.reason) == ("announcement-corrected", "rundb announces another checksum of it now")
    assert (found.epoch, found.failures, found.trouble_since) == (before.epoch + 1, 0, None)
    salted(machine, RIGHT)
    assert machine.item(1, 1).state == "salted"
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


def test_what_is_announced_in_other_words_or_no_more_tries_nothing_again(machine: SmallMachine) -> None:
    failed_by_its_announcement(machine)
    announce(machine, f"0x{WRONG.adler32.upper()}")
    announce(machine, None)
    assert machine.item(1, 1).phase == "failed"


def test_an_operator_who_put_the_file_aside_keeps_it_aside(machine: SmallMachine) -> None:
    failed_by_its_announcement(machine)
    assert machine.act(Trigger.HOLD, files=(NAME,)) == 1
    announce(machine, RIGHT.adler32)
    assert (machine.item(1, 1).phase, machine.item(1, 1).actor) == ("held", "anna")


def test_a_file_that_failed_otherwise_stays_failed(machine: SmallMachine) -> None:
    announce(machine, WRONG.adler32)
    machine.arrive(1, 1)
    machine.say(1, 1, "fail", permanent=True, reason_code="unreadable", reason="no events")
    announce(machine, RIGHT.adler32)
    assert machine.item(1, 1).reason_code == "unreadable"


def test_a_run_that_went_on_without_the_file_waits_for_it_again(machine: SmallMachine) -> None:
    failed_by_its_announcement(machine)
    machine.inform(1, expected=1, closed=True)
    announce(machine, RIGHT.adler32)
    assert values(machine, "select rewound_at is not null from run") == [True]


def test_a_correction_that_comes_while_the_result_is_judged_is_not_missed(machine: SmallMachine) -> None:
    announce(machine, WRONG.adler32)
    machine.arrive(1, 1)
    info = RunInfo(run=1, source="rundb", files=(ExpectedFile(name=NAME, sequence=1, adler32=RIGHT.adler32),))

    def correct() -> None:
        with machine.engine.begin() as other:
            apply(other, Sorted([said(Arrived(runs=(info,)))]), machine.book)

    with ThreadPoolExecutor() as pool:
        with machine.engine.begin() as conn:
            apply(conn, Sorted([said(result_of(machine, RIGHT))]), machine.book)
            correcting = pool.submit(correct)
            until_somebody_waits(machine)
        correcting.result(60)
    assert (machine.item(1, 1).phase, machine.item(1, 1).reason_code) == ("ready", "announcement-corrected")


def said(message: Message) -> Part:
    return Part(delivery=Delivery(queue="q", body=b"", tag=1), message=message)


def result_of(machine: SmallMachine, raw: Checksums) -> Report:
    found = machine.item(1, 1)
    outcome = Outcome(item=found.id, epoch=found.epoch, trigger="succeed", step=found.step, raw=raw)
    return Report(reporter=WORKER, lane="live", outcomes=(outcome,))


def until_somebody_waits(machine: SmallMachine) -> None:
    """Wait until another transaction is held up by a lock."""
    blocked = "select count(*) from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"
    wait_until(lambda: values(machine, blocked) != [0], 60, "another transaction waits")


def test_an_announcement_that_comes_after_the_file_counts_too(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    announce(machine, RIGHT.adler32)
    salted(machine, WRONG)
    assert machine.item(1, 1).reason_code == "checksum-differs"


def test_an_announcement_that_comes_after_the_file_was_read_is_said_once_where_it_differs(
    machine: SmallMachine,
) -> None:
    machine.arrive(1, 1)
    salted(machine, RIGHT)
    (trouble,) = announce(machine, WRONG.adler32)
    assert (trouble.code, trouble.run, trouble.subject) == ("checksum-differs", 1, f"inbox/{NAME}")
    assert RIGHT.adler32 in trouble.sentence
    assert WRONG.adler32 in trouble.sentence
    assert announce(machine, WRONG.adler32) == ()
    assert announce(machine, RIGHT.adler32) == ()


def test_what_is_no_sum_is_the_same_as_no_content() -> None:
    assert not same_sum("unknown", RIGHT.adler32)
