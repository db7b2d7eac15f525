"""A run-scope step that goes on without failed files: it is told which, and its summary gives way when one returns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.pipeline import Pipeline, RunType, Step, build
from headframe.statemachine.records import Checksums
from headframe.statemachine.store import dispatch, runs
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.dispatch import Order
from headframe.statemachine.store.gather import gather
from headframe.statemachine.verify import verify
from headframe.statemachine.why import why_run

from .small_machine import SmallMachine


def of(**kind: Any) -> Pipeline:
    steps = [
        Step(name="reconstruct", to="reconstructed", retries=0),
        Step(name="summary", to="summarized", scope="run", accepts_failed=True, inputs=("reconstruct",)),
    ]
    return build("default", steps, {"science": RunType(**kind)})


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    made = SmallMachine(database_url, tmp_path, of())
    made.alive()
    yield made
    made.engine.dispose()


def order(machine: SmallMachine, run: int) -> Order:
    """Give the work message of a run's item."""
    found = machine.item(run, None)
    with machine.engine.begin() as conn:
        (made,) = dispatch.describe(conn, [Ready(item=found.id, epoch=found.epoch, step=found.step, lane=found.lane)])
    return made


def summaries(machine: SmallMachine) -> list[bool]:
    """Say of each summary, oldest first, whether it has given way."""
    with machine.engine.connect() as conn:
        rows = conn.execute(text("select superseded_at from product where step = 'summary' order by id")).scalars()
        return [superseded is not None for superseded in rows]


def test_a_run_goes_on_without_what_failed_and_is_told_so(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2, 3)
    machine.inform(5, expected=3, closed=True)
    machine.through(5, 1)
    machine.say(5, 2, "fail", reason_code="broken", reason="it ends too soon", permanent=True)
    assert machine.item(5, None).phase == "waiting"
    machine.through(5, 3)
    made = order(machine, 5)
    assert [content.sequence for content in made.inputs] == [1, 3]
    left = {
        "name": "run5_0002.h5",
        "sequence": 2,
        "fate": "failed",
        "state": "arrived",
        "code": "broken",
        "reason": "it ends too soon",
    }
    assert made.conditions["left_out"] == [left]
    assert order(machine, 5) == made


def test_a_failed_file_that_gets_through_later_makes_the_summary_anew(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.inform(5, expected=2, closed=True)
    machine.through(5, 1)
    machine.say(5, 2, "fail", reason_code="broken", reason="it ends too soon", permanent=True)
    machine.do(5, None)
    assert (machine.item(5, None).state, summaries(machine)) == ("summarized", [False])
    machine.act(Trigger.RESOLVE, runs=(5,), phase="failed")
    assert (machine.item(5, None).phase, summaries(machine)) == ("waiting", [True])
    machine.through(5, 2)
    assert order(machine, 5).conditions["left_out"] == []
    machine.do(5, None)
    assert (machine.item(5, None).state, summaries(machine)) == ("summarized", [True, False])


def test_a_summary_under_way_is_taken_away_when_its_run_moves_back(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.inform(5, expected=2, closed=True)
    machine.through(5, 1)
    machine.say(5, 2, "fail", reason_code="broken", permanent=True)
    machine.say(5, None, "start")
    machine.act(Trigger.RESOLVE, runs=(5,), phase="failed")
    with machine.engine.connect() as conn:
        ended = conn.execute(text("select outcome, reason_code from attempt where step = 'summary'")).one()
        faults = list(verify(conn, []))
    assert tuple(ended) == ("cancelled", "retreat")
    assert faults == []


def test_what_was_abandoned_or_declared_missing_is_named_too(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.inform(5, expected=3, closed=True)
    machine.through(5, 1)
    machine.say(5, 2, "fail", reason_code="broken", permanent=True)
    machine.act(Trigger.ABANDON, runs=(5,), phase="failed", reason="no use")
    with machine.engine.begin() as conn:
        runs.waive(conn, 5, [3], "anna", "never written")
        touched = runs.campaigns_of(conn, 5)
    with machine.engine.begin() as conn:
        gather(conn, touched)
    left = order(machine, 5).conditions["left_out"]
    assert [(file["sequence"], file["fate"], file["reason"]) for file in left] == [
        (2, "abandoned", "no use"),
        (3, "missing", "never written"),
    ]


def test_a_summary_that_is_tried_again_learns_what_was_decided_meanwhile(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.inform(5, expected=2, closed=True)
    machine.through(5, 1)
    machine.say(5, 2, "fail", reason_code="broken", permanent=True)
    machine.say(5, None, "fail", reason_code="broken", permanent=True)
    machine.act(Trigger.ABANDON, runs=(5,), phase="failed", scope="file")
    machine.act(Trigger.RESOLVE, runs=(5,), scope="run")
    assert [file["fate"] for file in order(machine, 5).conditions["left_out"]] == ["abandoned"]


def test_a_run_in_which_everything_failed_is_summed_up_all_the_same(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.inform(5, expected=1, closed=True)
    machine.say(5, 1, "fail", reason_code="broken", permanent=True)
    made = order(machine, 5)
    assert (made.problem, made.inputs, len(made.conditions["left_out"])) == ("", (), 1)


def test_why_names_what_a_run_goes_on_without(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.inform(5, expected=2, closed=True)
    machine.say(5, 2, "fail", reason_code="broken", reason="it ends too soon", permanent=True)
    with machine.engine.connect() as conn:
        under_way = why_run(conn, 5)
    machine.through(5, 1)
    machine.do(5, None)
    with machine.engine.connect() as conn:
        done = why_run(conn, 5)
    assert under_way is not None and done is not None
    assert (under_way.code, done.code) == ("in-progress", "done")
    for answer in (under_way, done):
        told = "\n".join(answer.evidence)
        assert "1 file failed; the run goes on without" in told
        assert "broken: it ends too soon (such as run5_0002.h5)" in told


@pytest.mark.parametrize(("duplicates", "phase"), [("hold", "held"), ("allow", "done")])
def test_the_same_content_twice_is_held_unless_the_run_type_allows_it(
    database_url: str, tmp_path: Path, duplicates: str, phase: str
) -> None:
    machine = SmallMachine(
        database_url,
        tmp_path,
        build(
            "default",
            [
                Step(name="place", to="placed", makes="copy", owned_by="file"),
                Step(name="catalog", to="cataloged", makes="nothing"),
            ],
            {"science": RunType(duplicates=duplicates)},
        ),
    )  # type: ignore[arg-type]
    machine.arrive(5, 1, 2)
    for sequence in (1, 2):
        machine.say(5, sequence, "succeed", raw=Checksums(adler32="0" * 8, blake3="0" * 64))
    machine.through(5, 1, 2)
    assert (machine.item(5, 1).phase, machine.item(5, 2).phase) == ("done", phase)
    machine.engine.dispose()
