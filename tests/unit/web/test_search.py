import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest

from headframe.statemachine.views import RunFilter
from headframe.web.search import FLAGS, WORDS, parsed, spans, written

VALUES = st.text(st.characters(exclude_characters='"\0', exclude_categories=["Cs"]), min_size=1, max_size=30)
WORDED = st.dictionaries(st.sampled_from(sorted(WORDS.values())), VALUES)
FLAGGED = st.dictionaries(st.sampled_from(FLAGS), st.booleans())
NUMBERS = st.sets(st.integers(0, 5000), max_size=50)


def test_qualifiers_are_read_as_people_write_them() -> None:
    found = parsed('state:placed site:UKDC type:science run:1201-1203 campaign:"week 47" missing:yes failed:no')
    assert (found.state, found.site, found.kind, found.campaign) == ("placed", "UKDC", "science", "week 47")
    assert found.numbers == (1201, 1202, 1203)
    assert found.flags == (("failed", False), ("missing", True))


def test_numbers_need_no_qualifier() -> None:
    assert parsed(" 1201, 1203-1204 ").numbers == (1201, 1203, 1204)


def test_an_empty_search_asks_for_all() -> None:
    assert parsed("  ") == RunFilter()


@pytest.mark.parametrize(
    ("search", "line"),
    [
        ("colour:red", "“colour:” is no qualifier"),
        ("colour:red shape:round", "“colour:” is no qualifier; “shape:” is no qualifier"),
        ("missing:perhaps", "“missing:” takes yes or no"),
        ("state:", "“state:” lacks its value"),
        ("science", "“science” is no run number"),
        ("run:5-1", "runs backwards"),
        ("state:\0", "too long"),
        ("x" * 9000, "too long"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(search: str, line: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parsed(search)
    assert line in str(refused.value.description)
    assert "\n" not in str(refused.value.description)


@given(words=WORDED, flags=FLAGGED, numbers=NUMBERS)
def test_what_is_written_is_read_as_the_same(words: dict[str, str], flags: dict[str, bool], numbers: set[int]) -> None:
    where = RunFilter(**words, numbers=tuple(sorted(numbers)), flags=tuple(sorted(flags.items())))  # type: ignore[arg-type]
    assert parsed(written(where)) == where


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_never_breaks(text: str) -> None:
    try:
        parsed(text)
    except BadRequest as refused:
        assert len(str(refused.description)) < 400


@given(NUMBERS)
def test_numbers_are_written_as_ranges_and_come_back(numbers: set[int]) -> None:
    assert parsed(spans(numbers)).numbers == tuple(sorted(numbers))
