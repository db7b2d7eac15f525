"""Folding a batch: no round sees an item twice, and the result is what one report after the other would give."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from headframe.statemachine.records import Outcome, Reporter
from headframe.statemachine.store.fold import Said, fold, of_trigger

TRIGGERS = ("start", "succeed", "fail", "interrupt")
said = st.builds(
    lambda item, epoch, owner, trigger: Said(
        outcome=Outcome(item=item, epoch=epoch, trigger=trigger), reporter=Reporter(owner=owner, host=f"node-{owner}")
    ),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from("ab"),
    st.sampled_from(TRIGGERS),
)
Place = tuple[str, int, str | None]


def heard(place: Place, entry: Said) -> Place:
    """Give where an item is after one report: (phase or result, epoch, owner)."""
    phase, epoch, owner = place
    outcome, who = entry.outcome, entry.reporter.owner
    if outcome.epoch != epoch or owner not in (None, who) or phase not in ("ready", "executing"):
        return place
    if outcome.trigger == "start":
        return ("executing", epoch, who) if phase == "ready" else place
    return ("ready", epoch + 1, None) if outcome.trigger != "fail" else ("failed", epoch, None)


def one_by_one(batch: list[Said]) -> dict[int, Place]:
    places: dict[int, Place] = defaultdict(lambda: ("ready", 1, None))
    for entry in batch:
        places[entry.outcome.item] = heard(places[entry.outcome.item], entry)
    return dict(places)


@given(st.lists(said, max_size=20))
def test_rounds_give_what_one_after_the_other_gives(batch: list[Said]) -> None:
    in_rounds = [entry for entries in fold(batch) for trigger in TRIGGERS for entry in of_trigger(entries, trigger)]
    assert one_by_one(in_rounds) == one_by_one(batch)


@given(st.lists(said, max_size=20))
def test_no_round_sees_an_item_twice(batch: list[Said]) -> None:
    for entries in fold(batch):
        items = [entry.outcome.item for entry in entries]
        assert len(items) == len(set(items))


@given(st.lists(said, max_size=20))
def test_only_starts_are_folded_away(batch: list[Said]) -> None:
    ends = [entry.attempt for entry in batch if entry.outcome.trigger != "start"]
    kept = [entry.attempt for entries in fold(batch) for entry in entries if entry.outcome.trigger != "start"]
    assert sorted(ends) == sorted(kept)


def test_a_start_and_its_own_end_are_one_and_nobody_elses() -> None:
    reporter = Reporter(owner="a", host="n")
    start = Said(outcome=Outcome(item=1, epoch=1, trigger="start"), reporter=reporter)
    end = Said(outcome=Outcome(item=1, epoch=1, trigger="succeed"), reporter=reporter)
    other = Said(outcome=Outcome(item=1, epoch=1, trigger="succeed"), reporter=Reporter(owner="b", host="m"))
    assert fold([start, end]) == [[end]]
    assert fold([start, other]) == [[start], [other]]
    assert fold([]) == []
