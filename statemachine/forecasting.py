"""When something ends, by how fast it went: the arithmetic, which knows no database.

Counts of equal spans of time are taken for independent draws of one distribution. In `n` spans the sum is then `n m`
give or take `sqrt(v (n + n^2 / B))`: `m` and `v` are the mean and variance of the `B` spans that were seen, the first
part is the scatter to come, the second what `B` spans leave unknown of the mean. With Student's t for the quantile that
is the usual prediction interval (Hahn and Meeker, Statistical Intervals, 1991, chapter 4), solved for the time.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean, variance

from .records import Record

SPAN_S = 300.0
"""Spans are five minutes: what goes on in one minute goes on in the next, and would look more certain than it is."""
FEWEST = 3
FARTHEST_S = 10 * 365 * 86400.0


class Line(Record):
    """A step: how many items have still to go through it, how many of them wait at it, and what it did lately.

    `counts` are the items done in the spans of `SPAN_S` seen, `tail_s` is how long one takes from its end to the end of
    all.
    """

    step: str
    to_do: int
    waiting: int
    counts: tuple[int, ...]
    tail_s: float = 0.0

    @property
    def rate(self) -> float:
        """Items a second."""
        return fmean(self.counts) / SPAN_S if self.counts else 0.0


class Times(Record):
    """In how many seconds a step has done all of it: as likely sooner as later; nine times in ten. None: unknown."""

    p50_s: float | None
    p90_s: float | None


def times(line: Line) -> Times:
    """Forecast one step by itself."""
    return Times(p50_s=_solved(line, 0.5), p90_s=_solved(line, 0.9))


def bottleneck(lines: Sequence[Line]) -> Line | None:
    """Give the step that holds all up: where what waits takes longest. None where nothing waits, or nothing moves.

    A step that has nothing before it could go faster than it went, so its rate says nothing of it.
    """
    waiting = [line for line in lines if line.waiting and line.rate]
    return max(waiting, key=lambda line: line.waiting / line.rate, default=None)


def student(share: float, freedom: int) -> float:
    """Give the quantile of Student's t (Abramowitz and Stegun 26.7.5; within 0.01 from three degrees of freedom on)."""
    z = NormalDist().inv_cdf(share)
    one = (z**3 + z) / 4
    two = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    three = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + one / freedom + two / freedom**2 + three / freedom**3


def _solved(line: Line, share: float) -> float | None:
    """Find the time at which the lower bound of what is done reaches what there is to do."""
    if not line.to_do:
        return line.tail_s
    if not line.rate or (share > 0.5 and len(line.counts) < FEWEST):
        return None
    seen, mean = len(line.counts), fmean(line.counts)
    scatter = max(variance(line.counts), mean) if seen > 1 else mean
    factor = student(share, seen - 1) if share > 0.5 else 0.0

    def done(spans: float) -> float:
        return mean * spans - factor * sqrt(scatter * (spans + spans**2 / seen))

    low, high = 0.0, FARTHEST_S / SPAN_S
    if done(high) < line.to_do:
        return None
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if done(middle) < line.to_do else (low, middle)
    return high * SPAN_S + line.tail_s
