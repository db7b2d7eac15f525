"""How long a worker stays: what fits, when it hands back, and in which words."""

import time

import pytest

from headframe.consumers.worker.settings import WorkerSettings
from headframe.consumers.worker.term import Term


def term(left_s: float | None, walltime_s: float = 1000.0, **expected: float) -> Term:
    """Give the time of a worker whose pilot ends in so many seconds; 30 s of them are for handing back."""
    return Term(
        WorkerSettings(
            steps=("reconstruct", "catalog"),
            sites={},
            pilot="hf-1",
            job="17",
            host="n1",
            ends_at=None if left_s is None else time.time() + left_s,
            walltime_s=walltime_s,
            expected=expected,
        )
    )


def test_without_an_end_everything_fits() -> None:
    endless = Term(WorkerSettings(steps=("reconstruct",), sites={}))
    assert endless.fits("reconstruct")
    assert not endless.is_over
    assert endless.words("reconstruct", 5.0) == ("drain", "its worker was told to leave")


@pytest.mark.parametrize(("takes", "fits"), [(60.0, True), (75.0, False)])
def test_a_step_fits_where_it_takes_less_than_is_left_before_handing_back(takes: float, fits: bool) -> None:
    assert term(100, reconstruct=takes).fits("reconstruct") is fits


def test_only_the_steps_that_take_too_long_are_left_alone() -> None:
    assert term(100, reconstruct=75, catalog=1).unfit(("reconstruct", "catalog")) == {"step:reconstruct"}


def test_a_step_that_nobody_has_measured_fits_until_it_is_time_to_hand_back() -> None:
    assert term(40).fits("reconstruct")
    assert not term(20).fits("reconstruct")


def test_a_step_that_takes_longer_than_a_whole_pilot_begins_in_a_fresh_one_and_asks_for_more_time() -> None:
    assert term(990, walltime_s=1000, reconstruct=5000).fits("reconstruct")
    assert not term(700, walltime_s=1000, reconstruct=5000).fits("reconstruct")
    over = term(10, walltime_s=1000, reconstruct=5000)
    assert over.words("reconstruct", 760)[0] == "walltime"
    assert over.words("reconstruct", 700)[0] == "drain"


def test_what_is_learned_on_this_node_counts() -> None:
    learned = term(100, reconstruct=1)
    learned.learn({"reconstruct": 75.0})
    assert not learned.fits("reconstruct")


def test_a_short_walltime_keeps_a_tenth_of_itself_for_handing_back() -> None:
    assert term(20, walltime_s=60).fits("reconstruct")
    assert term(5, walltime_s=60).is_over


@pytest.mark.parametrize(
    ("expected", "ran_s", "code"), [({"reconstruct": 60}, 61, "walltime"), ({}, 501, "walltime"), ({}, 499, "drain")]
)
def test_only_what_had_its_chance_asks_for_more_time(expected: dict[str, float], ran_s: float, code: str) -> None:
    said, reason = term(10, **expected).words("reconstruct", ran_s)
    assert said == code
    assert "pilot hf-1 (job 17 on n1)" in reason


def test_who_is_ended_hands_back_politely_however_long_it_ran() -> None:
    ended = term(500, reconstruct=1)
    ended.end()
    assert ended.is_over
    assert ended.is_told()
    assert ended.words("reconstruct", 400) == ("pilot-ended", "pilot hf-1 (job 17 on n1) was told to end")
