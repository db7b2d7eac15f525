"""`headframe usage`, and what `describe` says of what was used."""

import pytest

from headframe.statemachine.records import Usage
from headframe.statemachine.store import measure

from ....integration.small_machine import SmallMachine
from .conftest import Headframe


@pytest.fixture
def worked(machine: SmallMachine) -> SmallMachine:
    """Run 5: its file was salted in an hour, after it had failed for 30 s."""
    machine.arrive(5, 1)
    machine.say(5, 1, "fail", reason="no peaks", usage=Usage(wall_s=30, cpu_s=30, memory_peak=1_000_000, queue_s=2))
    machine.sql("update item set not_before = null")
    made = machine._made(5, 1, machine.item(5, 1))
    used = Usage(wall_s=3570, cpu_s=1770, memory_peak=2_500_000_000, queue_s=8)
    machine.say(5, 1, "succeed", usage=used, **made)
    with machine.engine.begin() as conn:
        measure.take(conn, 100)
    return machine


def test_what_was_used_is_a_line_a_step(worked: SmallMachine, headframe: Headframe) -> None:
    name = worked.sql_value("select name from campaign")
    for which in ((), ("run", "5"), ("campaign", name), ("--last", "1h")):
        found = headframe("usage", *which)
        assert found.lines[0].split()[:5] == ["STEP", "ATTEMPTS", "SUCCEEDED", "FAILED", "INTERRUPTED"]
        assert found.lines[1].split() == ["salt", "2", "1", "1", "0", "1h", "30s", "30m", "50%", "2.50", "GB", "5s"]
    (row,) = headframe("usage", "run", "5", "-o", "json").json
    assert (row["wall_s"], row["queue_p95_s"]) == (3600, pytest.approx(7.7))


def test_describe_says_what_a_run_and_a_campaign_used(worked: SmallMachine, headframe: Headframe) -> None:
    name = worked.sql_value("select name from campaign")
    for which in (("run", "5"), ("campaign", name)):
        said = headframe("describe", *which).out
        assert "Used so far" in said
        assert "2.50 GB" in said
    said = headframe("describe", "file", "5/1").out
    assert "MEMORY PEAK" in said
    assert "59m 30s" in said


def test_pilots_are_a_line_a_name(machine: SmallMachine, headframe: Headframe) -> None:
    machine.sql(
        "insert into pilot (token, name, status, submitted_at, started_at, ended_at, usage) values ('a', 'reco', "
        """'ended', now(), now(), now(), '{"elapsed_s": 7200, "cpu_s": 21600, "cpus": 4, "queue_s": 3600}')"""
    )
    found = headframe("usage", "pilots")
    assert found.lines[1].split() == ["reco", "1", "0", "0", "2h", "6h", "75%", "-", "1h", "1h"]


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        (("run",), 2, "name the run"),
        (("run", "x"), 2, "no run number"),
        (("run", "99"), 4, "there is no run 99"),
        (("campaign", "nix"), 4, "there is no campaign nix"),
        (("run", "5", "--last", "1h"), 2, "leave --last out"),
        (("pilots", "reco"), 2, "leave reco out"),
    ],
)
def test_what_cannot_be_asked_says_why(headframe: Headframe, asked: tuple[str, ...], code: int, says: str) -> None:
    found = headframe("usage", *asked)
    assert (found.code, says in found.err) == (code, True), found.err


def test_nothing_used_is_said(headframe: Headframe) -> None:
    found = headframe("usage")
    assert (found.code, found.err.splitlines()[0]) == (0, "nothing was used in this time")
