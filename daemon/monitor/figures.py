"""The figures of one daemon: of its process, of its loops, and of what a conductor does. No label names a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from .loop import Loop

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)


class Figures:
    """A registry of the process's own, not of the interpreter's: two of them in a test do not meet."""

    def __init__(self, role: str, loops: Callable[[], Sequence[Loop]]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self.registry.register(_Loops(role, loops))
        self._batches: Histogram | None = None
        self._messages: Counter | None = None

    def conducted(self, lane: str, kinds: Sequence[str], seconds: float) -> None:
        """Count one batch of a conductor: of which lane, what its messages were, how long it took."""
        if self._batches is None or self._messages is None:
            self._batches = Histogram(
                "headframe_conductor_batch_seconds", "Time to apply one batch of messages", ["lane"],
                registry=self.registry, buckets=BUCKETS,
            )  # fmt: skip
            self._messages = Counter(
                "headframe_conductor_messages", "Messages applied", ["lane", "kind"], registry=self.registry
            )
        self._batches.labels(lane).observe(seconds)
        for kind in set(kinds):
            self._messages.labels(lane, kind).inc(kinds.count(kind))


class _Loops(Collector):
    def __init__(self, role: str, loops: Callable[[], Sequence[Loop]]) -> None:
        self._role, self._loops = role, loops

    def describe(self) -> list[Metric]:
        """Say nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give for how long each loop has been at its present turn."""
        ages = GaugeMetricFamily(
            "headframe_loop_seconds",
            "For how long a loop has been at its present turn; 0 while it waits for the next",
            labels=["role", "loop"],
        )
        for loop in self._loops():
            ages.add_metric([self._role, loop.name], loop.age_s())
        yield ages
