"""What an operator said of a double outlives the history that says so; what nobody said is not made up."""

from collections.abc import Callable

import pytest

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import Checksums
from headframe.statemachine.store import prune as module
from headframe.statemachine.store.prune import plan, prune
from headframe.statemachine.verify import verify

from .months import month, months_pass
from .small_machine import SmallMachine

SAME = Checksums(adler32="0" * 8, blake3="a" * 64)
DOUBLE = {"files": ("run8_0002.h5",)}

Ageing = Callable[[SmallMachine], None]


def nothing_passes(machine: SmallMachine) -> None:
    pass


def a_month_passes(machine: SmallMachine) -> None:
    months_pass(machine.engine)


def a_month_passes_and_goes(machine: SmallMachine) -> None:
    months_pass(machine.engine)
    prune(machine.engine, month(), actor="anna", reason="the disk is full")


def it_died_before_a_month_went(machine: SmallMachine) -> None:
    months_pass(machine.engine)
    with machine.engine.connect() as conn:
        months = plan(conn, month()).months
    for each in months:
        module.store_checkpoints(machine.engine, each)


WAYS = pytest.mark.parametrize("then", [nothing_passes, a_month_passes_and_goes, it_died_before_a_month_went])
BEFORE = pytest.mark.parametrize("age", [a_month_passes, a_month_passes_and_goes, it_died_before_a_month_went])


@pytest.fixture
def machine(machine: SmallMachine) -> SmallMachine:
    """Two files of which none has been read."""
    machine.arrive(8, 1, 2)
    machine.say(8, 1, "succeed", raw=SAME)
    return machine


def read_again(machine: SmallMachine) -> str:
    """Start the second file anew; give what it is once it was read."""
    machine.act(Trigger.RESET, state="arrived", **DOUBLE)
    machine.say(8, 2, "succeed", raw=SAME)
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []
    return str(machine.item(8, 2).phase)


@BEFORE
@WAYS
def test_a_double_that_was_let_through_stays_through(machine: SmallMachine, age: Ageing, then: Ageing) -> None:
    machine.say(8, 2, "succeed", raw=SAME)
    assert machine.item(8, 2).phase == "held"
    age(machine)
    machine.act(Trigger.RELEASE, **DOUBLE)
    then(machine)
    assert read_again(machine) == "ready"


@BEFORE
@WAYS
def test_a_double_that_nobody_let_through_is_held_again(machine: SmallMachine, age: Ageing, then: Ageing) -> None:
    machine.say(8, 2, "succeed", raw=SAME)
    age(machine)
    assert read_again(machine) == "held"
    then(machine)
    assert read_again(machine) == "held"


@BEFORE
@WAYS
def test_a_release_before_anybody_knew_lets_no_double_through(machine: SmallMachine, age: Ageing, then: Ageing) -> None:
    machine.act(Trigger.HOLD, **DOUBLE)
    machine.act(Trigger.RELEASE, **DOUBLE)
    age(machine)
    machine.say(8, 2, "succeed", raw=SAME)
    assert machine.item(8, 2).phase == "held"
    then(machine)
    assert read_again(machine) == "held"
