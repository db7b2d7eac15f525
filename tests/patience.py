"""Measure times on a machine that does other things too: what can be quick is quick once in many tries."""

import time
from collections.abc import Callable


def quickest(act: Callable[[], object], enough_s: float, tries: int = 50) -> float:
    """Give the least seconds that `act` took, of up to `tries` times; the first that is quick enough ends it."""
    return least(lambda: seconds(act), enough_s, tries)


def least(measure: Callable[[], float], enough: float, tries: int) -> float:
    """Give the least of up to `tries` measurements; the first below `enough` ends it."""
    best = float("inf")
    for _ in range(tries):
        best = min(best, measure())
        if best < enough:
            break
    return best


def seconds(act: Callable[[], object]) -> float:
    """Give the seconds that something takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
