"""Two conductors in the same moment: one content under two names, one file in two campaigns. One of two wins."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import Checksums, Copy, Location, Outcome, Product, Reporter
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.dispatch import describe
from headframe.statemachine.store.fold import Said
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.store.reports import apply_reports
from headframe.statemachine.verify import verify

from .servers import wait_until
from .small_machine import SmallMachine

SAME = Checksums(adler32="0" * 8, blake3="a" * 64)


def in_one_moment(machine: SmallMachine, first: list[Said], second: list[Said]) -> None:
    """Commit the first only when the second waits for it, or is through without waiting."""

    def apply_second() -> None:
        with machine.engine.begin() as conn:
            apply_reports(conn, second)

    thread = threading.Thread(target=apply_second)
    with machine.engine.begin() as conn:
        apply_reports(conn, first)
        thread.start()
        wait_until(lambda: not thread.is_alive() or waits(machine), 60, "the second to wait or to end")
    thread.join(60)
    assert not thread.is_alive()


def waits(machine: SmallMachine) -> bool:
    statement = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    with machine.engine.connect() as conn:
        return bool(conn.execute(text(statement)).scalar_one())


def all_of(machine: SmallMachine, statement: str, **values: Any) -> list[Any]:
    with machine.engine.connect() as conn:
        return list(conn.execute(text(statement), values).all())


def in_campaigns(machine: SmallMachine, sequence: int = 1) -> list[Any]:
    """Give a file's items, that of the first campaign first."""
    statement = "select i.* from item i join file f on f.id = i.file_id where f.sequence = :n order by i.id"
    return all_of(machine, statement, n=sequence)


def read(machine: SmallMachine, sequence: int) -> Said:
    """Say that a file's content was read, the same as every other's."""
    return word(in_campaigns(machine, sequence)[0], raw=SAME)


def word(item: Any, **made: Any) -> Said:
    outcome = Outcome(item=item.id, epoch=item.epoch, trigger="succeed", step=item.step, **made)
    return Said(outcome=outcome, reporter=Reporter(owner=f"w-{item.id}", host="node-1"))


def made_by(item: Any) -> Said:
    """Say that an item's step is done, with a product or a copy of its own."""
    place = Location(site="work", path=f"attempts/{item.id}/{item.step}/out.h5")
    sums = Checksums(adler32="1" * 8, blake3=f"{item.id:064x}")
    if item.step == "place":
        return word(item, copies=(Copy(of="raw", location=place, size=3, checksums=sums),))
    return word(item, products=(Product(name="out.h5", type=item.step, location=place, size=3, checksums=sums),))


def whole(machine: SmallMachine) -> bool:
    with machine.engine.connect() as conn:
        return list(verify(conn)) == []


def test_of_two_files_with_one_content_read_in_the_same_moment_one_is_held(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    in_one_moment(machine, [read(machine, 2)], [read(machine, 1)])
    assert [machine.item(1, n).phase for n in (1, 2)] == ["held", "ready"]
    held = machine.item(1, 1)
    assert (held.reason_code, held.reason) == ("duplicate-content", "same content as run1_0002.h5 of run 1")
    assert whole(machine)


def test_who_waited_for_a_content_that_was_not_kept_after_all_has_it(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)

    class LostError(Exception):
        pass

    def conductor_dies() -> None:
        with machine.engine.begin() as conn:
            apply_reports(conn, [read(machine, 1)])
            thread.start()
            wait_until(lambda: waits(machine), 60, "the second to wait")
            raise LostError

    def apply_second() -> None:
        with machine.engine.begin() as conn:
            apply_reports(conn, [read(machine, 2)])

    thread = threading.Thread(target=apply_second)
    with pytest.raises(LostError):
        conductor_dies()
    thread.join(60)
    assert [machine.item(1, n).state for n in (1, 2)] == ["arrived", "salted"]
    machine.say(1, 1, "succeed", raw=SAME)
    assert [machine.item(1, n).phase for n in (1, 2)] == ["held", "ready"]


def test_a_rewritten_file_gives_its_old_content_up(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    machine.say(1, 1, "succeed", raw=SAME)
    machine.sql(
        "insert into dead_letter (fingerprint, queue, code, sentence, subject, size, mtime_ns) "
        "select 'x', 'arrivals', 'rewritten', 'x', path, 7, 2 from file where sequence = 1"
    )
    wanted = Selection(files=("run1_0001.h5",))
    operate(machine.engine, Trigger.RESET, wanted, actor="anna", reason="x", state="arrived", new_content=True)
    machine.say(1, 2, "succeed", raw=SAME)
    assert machine.item(1, 2).phase == "ready"
    machine.say(1, 1, "succeed", raw=Checksums(adler32="2" * 8, blake3="b" * 64))
    assert machine.item(1, 1).phase == "ready"


Race = Callable[[SmallMachine, Said, Said], None]


def at_once(machine: SmallMachine, first: Said, second: Said) -> None:
    in_one_moment(machine, [first], [second])


def in_one_batch(machine: SmallMachine, first: Said, second: Said) -> None:
    with machine.engine.begin() as conn:
        apply_reports(conn, [second, first])


def one_after_the_other(machine: SmallMachine, first: Said, second: Said) -> None:
    for said in (first, second):
        with machine.engine.begin() as conn:
            apply_reports(conn, [said])


@pytest.mark.parametrize("race", [at_once, in_one_batch, one_after_the_other])
def test_of_two_campaigns_that_salted_one_file_the_second_goes_on_with_the_firsts(
    machine: SmallMachine, race: Race
) -> None:
    machine.arrive(1, 1)
    machine.again(1, 1)
    first, second = in_campaigns(machine)
    race(machine, made_by(first), made_by(second))
    ((product, item),) = all_of(machine, "select id, item_id from product where superseded_at is null")
    assert item == first.id
    assert [(each.state, each.phase) for each in in_campaigns(machine)] == [("salted", "ready")] * 2
    went_on = in_campaigns(machine)[1]
    with machine.engine.connect() as conn:
        (order,) = describe(conn, [Ready(item=went_on.id, epoch=went_on.epoch, step="place", lane="bulk")])
    assert [read.product for read in order.inputs if read.role == "salt"] == [product]
    told = "select outcome, reason from attempt where item_id = :id"
    ((outcome, reason),) = all_of(machine, told, id=second.id)
    assert (outcome, reason.split(";")[0]) == ("skipped", "another campaign made this for the file first")
    cleaned = all_of(machine, "select path from settle where action = 'clean'")
    assert [row.path.split("/")[-1] for row in cleaned] == [f"e1-w-{second.id}"]
    assert whole(machine)


def test_of_two_campaigns_that_copied_one_file_in_the_same_moment_one_copy_counts(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.again(1, 1)
    one_after_the_other(machine, *map(made_by, in_campaigns(machine)))
    first, second = in_campaigns(machine)
    in_one_moment(machine, [made_by(second)], [made_by(first)])
    copies = all_of(machine, "select item_id from replica where step = 'place'")
    assert [row.item_id for row in copies] == [second.id]
    assert [each.state for each in in_campaigns(machine)] == ["placed"] * 2
    assert whole(machine)


def test_a_result_that_does_not_count_takes_nothing_from_the_other_campaign(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.again(1, 1)
    first, second = in_campaigns(machine)
    late = made_by(first)
    machine.act(Trigger.HOLD, campaign=all_of(machine, "select name from campaign order by id")[0].name)
    in_one_batch(machine, late, made_by(second))
    assert [(each.state, each.phase) for each in in_campaigns(machine)] == [("arrived", "held"), ("salted", "ready")]
    assert [row.item_id for row in all_of(machine, "select item_id from product")] == [second.id]


def test_each_campaign_keeps_what_belongs_to_the_campaign(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.again(1, 1)
    for _ in ("salt", "place"):
        one_after_the_other(machine, *map(made_by, in_campaigns(machine)))
    in_one_moment(machine, *([made_by(each)] for each in in_campaigns(machine)))
    assert len(all_of(machine, "select from product where step = 'reconstruct' and superseded_at is null")) == 2
    assert whole(machine)
