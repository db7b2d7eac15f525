"""`headframe failures`: families on the command line, in every format."""

from headframe.statemachine.store import measure

from ....integration.small_machine import SmallMachine
from .conftest import Headframe


def test_failures_that_say_the_same_are_one_line(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1, 2, 3)
    for sequence in (1, 2, 3):
        machine.say(5, sequence, "fail", reason_code="exit-3", reason=f"no peaks in {sequence} channels")
    with machine.engine.begin() as conn:
        measure.take(conn, 100)
    found = headframe("failures")
    assert found.code == 0
    assert found.lines[1].split()[:3] == ["3", "salt", "exit-3"]
    assert "no peaks in # channels" in found.lines[1]
    (row,) = headframe("failures", "--run", "5", "-o", "json").json
    assert (row["n"], row["files"]) == (3, 3)
    assert headframe("failures", "--step", "place").err == "nothing failed in this time\n"
