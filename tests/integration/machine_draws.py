"""What can happen, how often, and with what: a table that one rule of hypothesis draws from."""

import os
from collections.abc import Callable
from random import Random
from typing import Any

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
LIMIT_S = (10 if LONG else 1) * 1200
"""How long a test may take: all examples of the long profile are one test."""

Draw = Callable[[Random], Any]

HAPPENINGS: dict[str, tuple[str, dict[str, Draw]]] = {}
OFTEN: list[str] = []


def one_of(*values: Any) -> Draw:
    return lambda random: random.choice(values)


def some(values: tuple[Any, ...], least: int = 0) -> Draw:
    return lambda random: random.sample(values, random.randint(least, len(values)))


def pick_one(random: Random) -> int:
    return random.randrange(10_000)


def picks(most: int) -> Draw:
    return lambda random: [pick_one(random) for _ in range(random.randint(1, most))]


def announced(random: Random) -> list[tuple[int, bool, int | None]]:
    return [
        (n, random.random() < 0.5, random.choice((None, 10, 12)))
        for n in random.sample((1, 2, 3), random.randint(0, 3))
    ]


def happens(weight: int, when: str = "", **chosen: Draw) -> Callable[[Any], Any]:
    """Let something happen, as often as its weight says; `when` names the list that must not be empty.

    Not rules of their own: hypothesis leaves out most rules in most examples, and then nothing gets far.
    """

    def list_it(method: Any) -> Any:
        HAPPENINGS[method.__name__] = (when, chosen)
        OFTEN.extend([method.__name__] * weight)
        return method

    return list_it
