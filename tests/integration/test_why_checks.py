"""Why, further: since when it is in trouble though it was tried again, who has it, and what looks at it by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.why import Why, why_file, why_run

from .small_machine import SmallMachine


@pytest.fixture
def machine(machine: SmallMachine) -> SmallMachine:
    machine.alive()
    return machine


def of_file(machine: SmallMachine, name: str) -> Why:
    with machine.engine.connect() as conn:
        found = why_file(conn, name)
    assert found is not None
    return found


def of_run(machine: SmallMachine, number: int) -> Why:
    with machine.engine.connect() as conn:
        found = why_run(conn, number)
    assert found is not None
    return found


def fails(machine: SmallMachine, run: int, sequence: int) -> None:
    machine.say(run, sequence, "fail", reason_code="exit-3", reason="no peaks", permanent=True)


def test_a_requeue_that_fails_again_is_the_same_trouble(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    fails(machine, 5, 1)
    machine.sql("update attempt set ended_at = ended_at - interval '1 hour'")
    machine.act(Trigger.RESOLVE, runs=(5,))
    fails(machine, 5, 1)
    since = of_file(machine, "5/1").since
    assert since is not None
    assert datetime.now(UTC) - since > timedelta(minutes=59)


def test_a_step_that_works_ends_the_trouble(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.say(5, 1, "fail", reason_code="exit-3", reason="no peaks")
    machine.do(5, 1)
    first = of_file(machine, "5/1")
    machine.say(5, 1, "fail", reason_code="exit-4", reason="no room")
    second = of_file(machine, "5/1")
    assert second.code == "backing-off"
    assert second.since == machine.item(5, 1).trouble_since
    assert first.code == "ready"


def test_a_run_is_in_trouble_since_its_first_file_is(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    fails(machine, 5, 1)
    machine.inform(5, expected=2, closed=True)
    machine.through(5, 2)
    assert of_run(machine, 5).since == machine.item(5, 1).trouble_since


def test_who_has_it_in_hand_is_said(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.say(5, 1, "start")
    assert of_file(machine, "5/1").owner == "worker w-1 on node-7"
    machine.act(Trigger.HOLD, files=("run5_0002.h5",))
    assert of_file(machine, "5/2").owner == "anna"


def test_what_looks_at_it_next_is_said(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2, 3)
    machine.say(5, 1, "start")
    executing = of_file(machine, "5/1")
    assert executing.next_check == machine.item(5, 1).lease_until
    machine.submit(5, 2)
    assert "sent again" in of_file(machine, "5/2").check
    fails(machine, 5, 3)
    assert of_file(machine, "5/3").check == "nothing happens by itself"
    machine.sql("delete from process where role = 'sweeper'")
    assert "no sweeper" in of_file(machine, "5/2").check


def test_a_run_that_misses_files_says_who_looks_for_them(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.inform(5, expected=2, closed=True)
    assert "watcher" in of_run(machine, 5).check
