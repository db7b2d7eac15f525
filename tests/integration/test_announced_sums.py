"""A raw file whose checksum its run announced: other content goes no further, and the right one mends it."""

from typing import Any

import pytest
from blake3 import blake3
from sqlalchemy import text
from zlib_ng import zlib_ng

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import (
    ArrivedFile,
    Checksums,
    Copy,
    ExpectedFile,
    Location,
    Product,
    RunInfo,
    Trouble,
)
from headframe.statemachine.store import runs
from headframe.statemachine.store.announced import same_sum
from headframe.statemachine.store.arrivals import register
from headframe.statemachine.store.dead import bury
from headframe.statemachine.store.operate import Selection, operate
from headframe.statemachine.verify import verify

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


def test_a_corrected_announcement_counts_when_it_is_tried_again(machine: SmallMachine) -> None:
    announce(machine, WRONG.adler32)
    machine.arrive(1, 1)
    salted(machine, RIGHT)
    assert machine.item(1, 1).reason_code == "checksum-differs"
    assert announce(machine, RIGHT.adler32) == ()
    announce(machine, None)
    assert machine.act(Trigger.RESOLVE, files=(NAME,)) == 1
    salted(machine, RIGHT)
    assert machine.item(1, 1).state == "salted"


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
