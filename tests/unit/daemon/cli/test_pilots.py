"""`headframe pilots`: what it lists and shows, what it tells, how it ends."""

from typing import Any

import pytest

from headframe.statemachine.piloting import PilotSeen, PilotWish, Round
from headframe.statemachine.store import pilots as store

from ....integration.small_machine import WORKER, SmallMachine
from .conftest import Headframe

TOKENS = ("hf-test-1", "hf-test-2", "hf-test-3")
WAITS: Any = {"token": TOKENS[1], "status": "pending", "job": "4712", "reason": "Resources"}
RUNS: Any = {"token": TOKENS[0], "status": "running", "job": WORKER.job, "node": "n2", "log": "/logs/4711.out"}
OVER: Any = {"token": TOKENS[2], "status": "ended", "job": "4700", "code": "preempted", "reason": "for \x1b[31m job 99"}


@pytest.fixture
def cluster(machine: SmallMachine) -> SmallMachine:
    """Give a machine with three pilots: one runs and has done a file, one waits, one is over."""
    wishes = [PilotWish(token=token, name="reco", steps=("salt",), request={"walltime": "2:00:00"}) for token in TOKENS]
    with machine.engine.begin() as connection:
        store.intend(connection, "here", wishes)
        seen = tuple(PilotSeen(**each) for each in (WAITS, RUNS, OVER))
        store.see(connection, "here", Round(host="login1", owner="l-1", seen=seen))
    machine.sql(
        "insert into process (owner, role, host, detail) values ('w-1', 'worker', 'n2', "
        "jsonb_build_object('pilot', 'hf-test-1', 'name', 'reco-1', 'job', '4711'))"
    )
    machine.arrive(1, 1, 2)
    machine.do(1, 1)
    machine.say(1, 2, "start")
    return machine


def number(headframe: Headframe, status: str) -> str:
    (found,) = headframe("pilots", "list", "--status", status, "-o", "name").lines
    return found


def test_the_list_shows_what_is_not_over_with_job_node_and_why(cluster: SmallMachine, headframe: Headframe) -> None:
    said = headframe("pilots", "list")
    assert said.lines[0].split() == ["ID", "NAME", "STATUS", "JOB", "NODE", "BUSY", "AGE", "WHY"]
    assert len(said.lines) == 3
    assert "4712" in said.lines[1]
    assert said.lines[1].endswith("Resources")
    assert "1 of 1" in said.lines[2]
    assert [row["status"] for row in headframe("pilots", "list", "--all", "-o", "json").json] == [
        "ended", "pending", "running",
    ]  # fmt: skip
    assert r"preempted: for \u001b[31m job 99" in headframe("pilots", "list", "--status", "ended").out
    assert headframe("pilots", "list", "--name", "none").err.startswith("no pilots match; --all")


def test_one_is_shown_with_its_workers_what_they_did_and_its_log(cluster: SmallMachine, headframe: Headframe) -> None:
    said = headframe("pilots", "show", number(headframe, "running"))
    assert said.code == 0
    for part in ("1 of its 1 worker", "/logs/4711.out", "walltime 2:00:00", "reco-1", "run1_0002.h5", "run1_0001.h5"):
        assert part in said.out, part
    ended = headframe("pilots", "show", number(headframe, "ended")).out
    assert r"it was preempted: for \u001b[31m job 99" in ended
    shown = headframe("pilots", "show", number(headframe, "running"), "-o", "json").json
    assert (shown["token"], shown["request"]) == ("hf-test-1", {"walltime": "2:00:00"})


def test_what_its_workers_did_is_found_by_pilot_and_by_job(cluster: SmallMachine, headframe: Headframe) -> None:
    for which in (("--pilot", number(headframe, "running")), ("--job", WORKER.job)):
        assert [row["file"] for row in headframe("get", "attempts", *which, "-o", "json").json] == ["run1_0001.h5"]
    assert headframe("get", "attempts", "--pilot", number(headframe, "pending"), "-o", "json").json == []


def test_pilots_are_told_with_a_reason_that_stays(cluster: SmallMachine, headframe: Headframe) -> None:
    numbers = number(headframe, "pending"), number(headframe, "running")
    tried = headframe("pilots", "drain", *numbers, "--dry-run")
    assert (tried.code, tried.out.count("nothing was changed")) == (0, 2)
    told = headframe("pilots", "drain", *numbers, "--reason", "the node is to be rebooted", "--yes")
    assert told.lines[0] == f"pilot {numbers[0]} is to be drained: launcher here does it in its next round"
    shown = headframe("pilots", "show", numbers[1]).out
    assert "said drain: the node is to be rebooted" in shown
    assert "told to drain" in headframe("pilots", "list").out
    actions = {row["action"] for row in headframe("get", "operations", "-o", "json").json}
    assert actions == {"pilot-drain"}


def test_what_is_over_or_not_there_says_so(cluster: SmallMachine, headframe: Headframe) -> None:
    over = headframe("pilots", "cancel", number(headframe, "ended"), "--reason", "r", "--yes")
    assert over.code == 1
    assert "is ended already" in over.err
    for words in (("show", "999"), ("cancel", "999", "--reason", "r", "--yes")):
        gone = headframe("pilots", *words)
        assert (gone.code, "there is no pilot 999" in gone.err) == (4, True)
