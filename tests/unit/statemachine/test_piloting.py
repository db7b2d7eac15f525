"""What the end of a pilot means for what its workers executed."""

import pytest

from headframe.statemachine.interrupts import COUNTED, ESCALATED, POLITE
from headframe.statemachine.piloting import ENDS, LOSSES, loss, loss_by_requeue


def test_each_end_that_a_pilot_can_have_after_it_began_says_what_it_means_for_its_work() -> None:
    assert set(LOSSES) == set(ENDS) - {"refused"}
    assert {code for code, _ in LOSSES.values()} <= {*COUNTED, *ESCALATED, *POLITE}


@pytest.mark.parametrize(
    ("code", "said_so", "interrupt"),
    [
        ("preempted", False, "preempted"),
        ("node-failed", True, "node-failed"),
        ("", True, "pilot-ended"),
        ("", False, "lost-lease"),
        ("odd", False, "lost-lease"),
    ],
)
def test_a_requeued_pilot_counts_against_its_work_unless_the_cause_is_known_or_it_said_that_it_ends(
    code: str, said_so: bool, interrupt: str
) -> None:
    found, said = loss_by_requeue(code, said_so=said_so)
    assert found == interrupt
    assert "requeued" in said


def test_an_end_that_nobody_knows_counts_as_a_lost_worker() -> None:
    assert loss("odd") == ("lost-lease", "ended")
