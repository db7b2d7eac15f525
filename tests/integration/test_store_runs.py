"""Runs in the store: they move with their files and back, and what operators say of them stands."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store import runs
from headframe.statemachine.store.errors import RefusedError
from headframe.statemachine.verify import verify

from .small_machine import SmallMachine, pipeline
from .two_conductors import at_once

BY = {"actor": "anna", "reason": "because"}


@pytest.fixture
def lenient(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    """A machine whose run-scope step goes on without failed files."""
    made = SmallMachine(database_url, tmp_path, pipeline(accepts_failed=True))
    yield made
    made.engine.dispose()


def place(machine: SmallMachine, run: int, sequence: int | None = None) -> tuple[str, str]:
    found = machine.item(run, sequence)
    return found.state, found.phase


def operate(machine: SmallMachine, what: Any, *arguments: Any, **more: Any) -> Any:
    with machine.engine.begin() as conn:
        return what(conn, *arguments, **BY, **more)


def whole(machine: SmallMachine) -> bool:
    with machine.engine.connect() as conn:
        return list(verify(conn)) == []


def test_the_last_two_files_at_once_always_take_their_run_along(machine: SmallMachine) -> None:
    for run in range(1, 11):
        machine.arrive(run, 1, 2)
        machine.inform(run, expected=2, closed=True)
        for sequence in (1, 2):
            for _ in range(3):
                machine.do(run, sequence)
        at_once([lambda n=n, run=run: machine.do(run, n) for n in (1, 2)])
        assert place(machine, run) == ("cataloged", "ready")
    assert whole(machine)


def test_a_late_file_takes_a_finished_run_back_and_what_was_made_of_it_gives_way(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.inform(1, expected=1, closed=True)
    machine.through(1, 1)
    machine.do(1, None)
    assert place(machine, 1) == ("summarized", "done")
    machine.arrive(1, 2)
    assert place(machine, 1) == ("arrived", "waiting")
    with machine.engine.connect() as conn:
        standing = text("select count(*) from product where step = 'summary' and superseded_at is null")
        assert conn.execute(standing).scalar_one() == 0
    operate(machine, runs.expect, 1, 2)
    machine.through(1, 2)
    machine.do(1, None)
    assert place(machine, 1) == ("summarized", "done")
    assert whole(machine)


def test_a_run_that_moves_back_while_its_own_step_runs_takes_it_from_the_worker(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.inform(1, expected=1, closed=True)
    machine.through(1, 1)
    machine.say(1, None, "start")
    before = machine.item(1, None).epoch
    machine.act(Trigger.RESET, state="placed", files=("run1_0001.h5",))
    assert place(machine, 1) == ("placed", "waiting")
    assert machine.item(1, None).epoch == before + 1
    assert whole(machine)


def test_a_run_scope_step_goes_on_without_failed_files_only_where_it_says_so(
    machine: SmallMachine, lenient: SmallMachine
) -> None:
    for each, run, reached in ((machine, 1, ("arrived", "waiting")), (lenient, 2, ("cataloged", "ready"))):
        each.arrive(run, 1, 2)
        each.inform(run, expected=2, closed=True)
        each.through(run, 1)
        each.say(run, 2, "fail", reason_code="broken", permanent=True)
        assert place(each, run, 2) == ("arrived", "failed")
        assert place(each, run) == reached


def test_a_missing_file_holds_its_run_until_it_is_declared_missing(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 3)
    machine.inform(1, expected=3, closed=True)
    machine.through(1, 1, 3)
    assert place(machine, 1) == ("arrived", "waiting")
    assert operate(machine, runs.waive, 1, [2]) == 1
    assert place(machine, 1) == ("cataloged", "ready")
    with pytest.raises(RefusedError, match="declared missing already"):
        operate(machine, runs.waive, 1, [2])
    with pytest.raises(RefusedError, match="nothing was changed"):
        operate(machine, runs.waive, 1, [4, 1])
    assert whole(machine)


def test_a_file_declared_missing_that_comes_after_all_counts_once_under_its_own_name(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.inform(1, expected=2, closed=True)
    operate(machine, runs.waive, 1, [2])
    machine.arrive(1, 2)
    assert machine.item(1, 2).name == "run1_0002.h5"
    with machine.engine.connect() as conn:
        assert conn.execute(text("select waived from run")).scalar_one() == 0
    machine.through(1, 1, 2)
    assert place(machine, 1) == ("cataloged", "ready")
    assert whole(machine)


def test_closing_without_a_number_counts_what_is_there_and_what_is_declared_missing(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 3)
    operate(machine, runs.waive, 1, [2])
    machine.through(1, 1, 3)
    operate(machine, runs.close, 1)
    assert place(machine, 1) == ("cataloged", "ready")
    with pytest.raises(RefusedError, match="closed already"):
        operate(machine, runs.close, 1)


def test_reopening_takes_the_run_back_and_a_run_database_does_not_close_it_again(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.inform(1, expected=1, closed=True)
    machine.through(1, 1)
    operate(machine, runs.reopen, 1)
    assert place(machine, 1) == ("arrived", "waiting")
    machine.inform(1, expected=1, closed=True)
    assert place(machine, 1) == ("arrived", "waiting")
    operate(machine, runs.close, 1)
    assert place(machine, 1) == ("cataloged", "ready")
    operate(machine, runs.reopen, 1)
    with pytest.raises(RefusedError, match="open already"):
        operate(machine, runs.reopen, 1)


def test_the_number_an_operator_gave_stands_against_the_run_database(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    operate(machine, runs.expect, 1, 2)
    machine.inform(1, expected=5, closed=True)
    machine.through(1, 1, 2)
    assert place(machine, 1) == ("cataloged", "ready")


def test_a_run_reclassified_to_a_type_that_bypasses_salt_is_not_salted(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    machine.do(1, 1)
    machine.say(1, 2, "start")
    pipelines = machine.book.pipelines
    moved = operate(machine, runs.reclassify, 1, "calibration", pipelines.get)
    assert (moved.moved, moved.also, moved.held) == (3, (), ())
    assert place(machine, 1, 1) == place(machine, 1, 2) == ("salted", "ready")
    with machine.engine.connect() as conn:
        standing = text("select count(*) from product where superseded_at is null")
        assert conn.execute(standing).scalar_one() == 0
        orders = text("select count(*) from settle where action = 'clean' and path like '%e1-w-1'")
        assert conn.execute(orders).scalar_one() == 1
    machine.through(1, 1, 2)
    assert whole(machine)


def test_files_of_a_reclassified_run_go_its_new_way_whatever_their_names_say(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    operate(machine, runs.reclassify, 1, "calibration", machine.book.pipelines.get)
    machine.arrive(1, 2, kind="science")
    assert place(machine, 1, 2) == ("salted", "ready")
    machine.through(1, 1, 2)
    assert whole(machine)


def test_an_unknown_type_is_held_until_it_is_known_and_then_bypasses_what_it_should(machine: SmallMachine) -> None:
    machine.arrive(1, 1, kind=None)  # type: ignore[arg-type]
    assert place(machine, 1, 1) == ("arrived", "held")
    assert machine.act(Trigger.RELEASE, runs=(1,)) == 0
    machine.inform(1, kind="calibration")
    assert place(machine, 1, 1) == ("salted", "ready")
    assert whole(machine)


def test_a_run_moves_back_even_while_somebody_changes_its_item(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.inform(1, expected=1, closed=True)
    machine.through(1, 1)
    opened = threading.Thread(target=operate, args=(machine, runs.reopen, 1))
    with machine.engine.begin() as conn:
        conn.execute(text("update item set phase = 'failed', version = version + 1 where scope = 'run'"))
        opened.start()
        time.sleep(0.5)
    opened.join(10)
    assert place(machine, 1) == ("arrived", "waiting")


def held_run(machine: SmallMachine, *triggers: Trigger) -> None:
    """Bring a run to its own step and let an operator put its item away."""
    machine.arrive(1, 1)
    machine.inform(1, expected=1, closed=True)
    machine.through(1, 1)
    for trigger in triggers:
        assert machine.act(trigger, reason="wrong geometry", runs=(1,), scope="run") == 1


@pytest.mark.parametrize(
    ("triggers", "phase", "back"),
    [
        ((Trigger.HOLD,), "held", Trigger.RELEASE),
        ((Trigger.HOLD, Trigger.ABANDON), "abandoned", Trigger.RECOVER),
    ],
)
def test_a_run_that_an_operator_put_away_stays_away_while_its_files_are_made_again(
    machine: SmallMachine, triggers: tuple[Trigger, ...], phase: str, back: Trigger
) -> None:
    held_run(machine, *triggers)
    put = machine.item(1, None)
    machine.act(Trigger.RESET, state="placed", files=("run1_0001.h5",))
    assert place(machine, 1) == ("placed", phase)
    kept = machine.item(1, None)
    assert (kept.actor, kept.reason_code, kept.reason) == ("anna", f"operator-{triggers[-1]}", "wrong geometry")
    assert (kept.since, kept.trouble_since) == (put.since, put.trouble_since)
    machine.through(1, 1)
    assert place(machine, 1) == ("placed", phase)
    assert machine.act(back, runs=(1,), scope="run") == 1
    assert place(machine, 1) == ("cataloged", "ready")
    machine.do(1, None)
    assert place(machine, 1) == ("summarized", "done")
    assert whole(machine)


def test_a_hold_outlives_a_reopened_run_and_released_it_waits_for_its_files(machine: SmallMachine) -> None:
    held_run(machine, Trigger.HOLD)
    operate(machine, runs.reopen, 1)
    assert place(machine, 1) == ("arrived", "held")
    assert machine.act(Trigger.RESET, state="cataloged", runs=(1,), scope="run") == 0
    assert machine.act(Trigger.RELEASE, runs=(1,), scope="run") == 1
    assert place(machine, 1) == ("arrived", "waiting")
    operate(machine, runs.close, 1)
    assert place(machine, 1) == ("cataloged", "ready")
    assert whole(machine)


def test_a_run_put_away_before_its_own_steps_can_be_given_up_and_taken_back(machine: SmallMachine) -> None:
    held_run(machine, Trigger.HOLD)
    machine.act(Trigger.RESET, state="arrived", files=("run1_0001.h5",))
    for trigger, phase in ((Trigger.ABANDON, "abandoned"), (Trigger.RECOVER, "waiting")):
        assert machine.act(trigger, runs=(1,), scope="run") == 1
        assert place(machine, 1) == ("arrived", phase)
    machine.through(1, 1)
    assert place(machine, 1) == ("cataloged", "ready")
    assert whole(machine)
