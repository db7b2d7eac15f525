import pytest

from headframe.web import bars

STATES = ("arrived", "salted", "placed", "reconstructed", "cataloged")


def test_a_state_counts_as_reached_by_the_files_that_have_gone_beyond_it() -> None:
    reached = bars.reached({"arrived": 1, "placed": 2, "cataloged": 4}, STATES)
    assert reached == {"arrived": 7, "salted": 6, "placed": 6, "reconstructed": 4, "cataloged": 4}


def test_a_bar_is_full_whatever_it_is_made_of() -> None:
    segments = bars.bar({"done": 990, "l3": 7, "failed": 1, "held": 1, "missing": 1})
    assert sum(segment.width for segment in segments) == pytest.approx(100, abs=0.1)
    assert segments[-1].x + segments[-1].width == pytest.approx(100, abs=0.1)


def test_one_failed_file_in_a_hundred_thousand_can_be_seen() -> None:
    segments = {segment.colour: segment for segment in bars.bar({"done": 99_999, "failed": 1})}
    assert segments["failed"].width > 3


def test_a_bar_of_nothing_is_empty() -> None:
    assert bars.bar({}) == ()
    assert bars.files_bar({}, STATES, {"missing": 0}) == ()


def test_trouble_hides_how_far_a_file_is() -> None:
    assert bars.colour("placed", "failed", STATES) == "failed"
    assert bars.colour("placed", "executing", STATES) == "l2"
    assert bars.colour("cataloged", "done", STATES) == "done"


@pytest.mark.parametrize("count", range(1, 12))
def test_each_pipeline_goes_from_the_first_level_to_the_last(count: int) -> None:
    states = tuple(f"s{rank}" for rank in range(count))
    levels = [bars.level(state, states) for state in states]
    assert levels[0] == "l0"
    assert levels[-1] == ("l4" if count > 1 else "l0")
    assert levels == sorted(levels)


def test_a_state_of_another_pipeline_has_the_first_level() -> None:
    assert bars.level("merged", STATES) == "l0"
