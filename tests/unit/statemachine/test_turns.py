"""Turns between campaigns: by weight, and nobody waits for ever. Drawn by hypothesis."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from headframe.statemachine.turns import STRIDE, Turns

WEIGHTS = st.dictionaries(st.integers(1, 50), st.integers(1, 1000), min_size=1, max_size=6)
ROOMS = st.lists(st.integers(1, 40), min_size=1, max_size=30)
PLENTY = 10_000


def served(turns: Turns, weights: dict[int, int], rooms: list[int]) -> Counter[int]:
    """Give how often each had its turn while all of them had more than could go."""
    counts: Counter[int] = Counter()
    for room in rooms:
        counts.update(turns.give(dict.fromkeys(weights, PLENTY), weights, room))
    return counts


@given(WEIGHTS, ROOMS)
def test_what_each_is_given_goes_by_its_weight_to_within_a_turn(weights: dict[int, int], rooms: list[int]) -> None:
    counts = served(Turns(), weights, rooms)
    assert sum(counts.values()) == sum(rooms)
    for one, weight in weights.items():
        for other, its_weight in weights.items():
            assert counts[one] / weight - counts[other] / its_weight <= 1 / weight + 1e-6


@given(WEIGHTS, ROOMS, st.integers(1, 40))
def test_who_comes_later_is_next_but_gets_nothing_for_having_been_away(
    weights: dict[int, int], rooms: list[int], room: int
) -> None:
    turns, late = Turns(), 99
    served(turns, weights, rooms)
    everybody = {**weights, late: 10}
    counts = served(turns, everybody, [room] * 20)
    others = {one: n / weights[one] for one, n in counts.items() if one != late}
    assert counts[late] >= 1 or 20 * room <= len(weights)
    assert all(counts[late] / 10 <= counts[one] / weights[one] + 1 / weights[one] + 1 / 10 + 1e-6 for one in others)


@given(WEIGHTS, st.lists(st.integers(1, 3), min_size=1, max_size=200))
def test_nobody_waits_longer_than_the_others_weights_say(weights: dict[int, int], rooms: list[int]) -> None:
    turns, waited = Turns(), Counter[int]()
    for room in rooms:
        for one in turns.give(dict.fromkeys(weights, PLENTY), weights, room):
            waited[one] = 0
            for other in weights.keys() - {one}:
                waited[other] += 1
                assert waited[other] <= sum(weights[each] // weights[other] + 2 for each in weights)


@given(st.dictionaries(st.integers(1, 50), st.tuples(st.integers(0, 20), st.integers(1, 1000))), st.integers(0, 200))
def test_all_the_room_is_used_while_anything_waits(queues: dict[int, tuple[int, int]], room: int) -> None:
    waiting = {one: n for one, (n, _) in queues.items()}
    turns = Turns().give(waiting, {one: weight for one, (_, weight) in queues.items()}, room)
    assert len(turns) == min(room, sum(waiting.values()))
    assert all(n <= waiting[one] for one, n in Counter(turns).items())


def test_a_weight_of_a_million_still_leaves_the_lightest_its_turn() -> None:
    turns = Turns()
    weights = {1: 1_000_000, 2: 1}
    counts = Counter[int]()
    for _ in range(2):
        counts.update(turns.give({1: 10**7, 2: 10}, weights, 1_000_001))
    assert counts == {1: 2_000_000, 2: 2} and STRIDE % 1_000_000 == 0
