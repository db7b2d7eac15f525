"""How long steps take: as the launcher expects it at first, then as measured by the workers of this node."""

from collections import defaultdict, deque
from collections.abc import Mapping

MEASURED = 100
"""So many of the latest attempts of a step count."""


class Pace:
    """The times of steps in seconds. What was expected counts on: a few quick ones do not make the others quick."""

    def __init__(self, expected: Mapping[str, float]) -> None:
        self.expected = dict(expected)
        self._took: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MEASURED))

    def took(self, step: str, seconds: float) -> None:
        """Note that an attempt of a step was done in so many seconds."""
        self._took[step].append(seconds)

    def takes(self) -> dict[str, float]:
        """Give how long each step takes: the longer of what was expected and what 95 of 100 have needed here."""
        measured = {step: p95(seconds) for step, seconds in self._took.items()}
        return {step: max(self.expected.get(step, 0.0), measured.get(step, 0.0)) for step in self.expected | measured}


def p95(seconds: deque[float]) -> float:
    """Give what 95 of 100 do not exceed. There is at least one."""
    ordered = sorted(seconds)
    return ordered[-(len(ordered) // 20) - 1]
