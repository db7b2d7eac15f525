"""Measure times on a machine that does other things too: what can be quick is quick once in many tries."""

import time
from collections.abc import Callable

import pytest


def within(limit_s: float) -> pytest.MarkDecorator:
    """Run a test with `limit_s` in `make slow`, on a machine with nothing else to do; five times as long otherwise."""
    idle = pytest.param(limit_s, id="idle", marks=pytest.mark.slow)
    return pytest.mark.parametrize("limit_s", [pytest.param(5 * limit_s, id="busy"), idle])


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
