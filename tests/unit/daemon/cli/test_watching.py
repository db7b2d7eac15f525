"""What `-w` makes of two looks."""

from headframe.daemon.cli.watching import events


def test_what_came_changed_and_went_are_events() -> None:
    before = {(1,): "a", (2,): "b", (3,): "c"}
    now = {(4,): "d", (1,): "a", (2,): "B"}
    assert list(events(before, now)) == [("added", "d"), ("changed", "B"), ("removed", "c")]


def test_nothing_new_is_no_event() -> None:
    assert list(events({(1,): "a"}, {(1,): "a"})) == []
