"""What viewers ask to be told of, and where they come from."""

import pytest

from headframe.web.live.asked import concerned, topics
from headframe.web.live.stream import _address

EVERYTHING = frozenset("*")


def test_topics_are_read_from_the_address() -> None:
    assert topics("run:1201, runs") == {"run:1201", "runs"}
    assert topics("") == topics("runs,*") == EVERYTHING


@pytest.mark.parametrize("written", ["Run:1", "run:", "run:x", "run:1;drop", "a" * 40, "run:" + "9" * 19, "\0"])
def test_what_can_be_no_topic_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="no topic"):
        topics(written)


def test_more_topics_than_a_page_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 20"):
        topics(",".join(f"run:{n}" for n in range(21)))


def test_news_concern_those_who_asked_for_it() -> None:
    wanted = frozenset(("run:1", "runs"))
    assert concerned(wanted, ("runs", "run:2")) == {"runs"}
    assert concerned(wanted, ("pauses",)) == frozenset()
    assert concerned(wanted, EVERYTHING) == wanted
    assert concerned(EVERYTHING, ("pauses",)) == EVERYTHING
    assert concerned(EVERYTHING, ()) == frozenset()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [(0, "6.6.6.6", "10.0.0.1"), (1, "6.6.6.6, 7.7.7.7", "7.7.7.7"), (2, "7.7.7.7", "10.0.0.1"), (1, "", "10.0.0.1")],
)
def test_only_proxies_that_are_believed_say_where_somebody_is(proxies: int, forwarded: str, address: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert _address({"client": ("10.0.0.1", 5), "headers": headers}, proxies) == address
