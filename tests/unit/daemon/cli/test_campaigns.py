"""Campaigns on the command line: counted before anything is asked, made to the end, told with what comes next."""

import pytest

from ....integration.small_machine import SmallMachine
from .conftest import Headframe

WHY = ("--reason", "new gains", "--yes")


@pytest.fixture
def done(machine: SmallMachine) -> SmallMachine:
    """Run 5 is done; of run 6 nothing is yet."""
    for run in (5, 6):
        machine.arrive(run, 1, 2)
        machine.inform(run, expected=2, closed=True)
    machine.through(5, 1, 2)
    return machine


def test_create_counts_makes_and_tells(done: SmallMachine, headframe: Headframe) -> None:
    found = headframe("campaign", "create", "again", "--type", "science", "--start", "placed", *WHY)
    assert found.code == 0, found.err
    assert found.lines[0].startswith("campaign again: 2 files of 1 run, pipeline default ")
    assert found.lines[1:] == [
        "  left out: 2 files of 1 run: step salt has not been done for the file, and the campaign starts after it "
        "(no-salt): 6/run6_0001.h5, 6/run6_0002.h5",
        "campaign again takes in 2 files of 1 run",
        "next: headframe campaign show again",
    ]
    shown = headframe("campaign", "show", "again").out
    for part in ("campaign again  open", "2 go on", "of type science", "anna: new gains", "Runs, those"):
        assert part in shown
    assert headframe("get", "campaigns", "again", "-o", "json").json[0]["left_out"] == {"no-salt": 2}


def test_a_dry_run_counts_and_makes_nothing(done: SmallMachine, headframe: Headframe) -> None:
    found = headframe("campaign", "create", "again", "--run", "5-6", "--dry-run")
    assert (found.code, "4 files of 2 runs" in found.out) == (0, True)
    assert headframe("campaign", "show", "again").code == 4


def test_grow_pause_resume_and_close(done: SmallMachine, headframe: Headframe) -> None:
    headframe("campaign", "create", "again", "--run", "5", *WHY)
    assert "takes in 2 files of 1 run" in headframe("campaign", "grow", "again", "--run", "6", *WHY).out
    assert "is paused" in headframe("campaign", "pause", "again", *WHY).out
    why = headframe("why", "run", "5")
    assert why.code == 0
    assert "dry run, nothing was changed" in headframe("campaign", "resume", "again", "--dry-run").out
    assert "is open" in headframe("campaign", "resume", "again", *WHY).out
    closed = headframe("campaign", "close", "again", "--cancel", *WHY)
    assert closed.lines == ["campaign again is closed", "cancelled 4 items"]
    assert headframe("campaign", "grow", "again", *WHY).code == 1


@pytest.mark.parametrize("span", ["x", "1-", "-1", "1-2-3"])
def test_what_is_no_range_of_runs_is_said(headframe: Headframe, span: str) -> None:
    found = headframe("campaign", "create", "again", f"--run={span}", *WHY)
    assert found.code in (1, 2)
    assert "run" in found.err
