"""Counters and the histogram of what has happened since the beginning: the same whichever web process is asked."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from ..statemachine.lifecycle import Trigger
from ..statemachine.views.sums import OUTCOMES, Reached, Sums
from .gauges import gauge
from .orders import Place

CLASSES = ("payload", "infrastructure", "preempted", "walltime", "memory", "storage", "broker")
"""What a retry is for: the classes that the database puts reason codes into (`retry_class`)."""
EXPONENTS = range(-2, 21)
"""The histogram's limits are 2 to the power of these, in seconds: from a quarter of a second to twelve days."""
NONE = Reached(n=0, seconds=0.0, within={})


def families(sums: Sums, places: Iterable[Place], sites: Iterable[str], at: datetime) -> Iterator[Metric]:
    """Give them; what has not happened yet is there as 0, so that its first time is seen as a change."""
    taken = [place for place in places if place.step]
    outcomes = [(*place, outcome) for place in taken for outcome in set(OUTCOMES.values())]
    yield _counter("attempts", "Attempts that ended", sums.attempts, outcomes, "step", "lane", "outcome")
    classes = [(place.step, each) for place in taken for each in CLASSES]
    yield _counter("retries", "Attempts after which the item is tried again", sums.retries, classes, "step", "class")
    triggers = [(each.value,) for each in Trigger]
    yield _counter("transitions", "Changes of items", _single(sums.transitions), triggers, "trigger")
    yield _counter("files_arrived", "Files registered", _single(sums.arrived), (), "kind")
    written, known = _single(sums.written), [(site,) for site in sites]
    yield _counter("site_written_bytes", "Bytes of copies and products that were accepted", written, known, "site")
    yield _histogram(sums.reached)
    if sums.last_file is not None:
        last = gauge("last_file_seconds", "Since the last file arrived")
        last.add_metric([], max(0.0, (at - sums.last_file).total_seconds()))
        yield last


def _single(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(name,): n for name, n in counts.items()}


def _counter(
    name: str,
    help_text: str,
    counts: Mapping[tuple[str, ...], int],
    at_first: Iterable[tuple[str, ...]],
    *labels: str,
) -> Metric:
    family = CounterMetricFamily(f"headframe_{name}", help_text, labels=labels)
    for key in sorted({*counts, *at_first}):
        family.add_metric(key, counts.get(key, 0))
    return family


def _histogram(reached: Mapping[str, Reached]) -> Metric:
    help_text = "From file closed to the first time in a state, realtime campaigns"
    family = HistogramMetricFamily("headframe_file_seconds", help_text, labels=("state",))
    for state in sorted(reached):
        found = reached[state]
        family.add_metric([state], buckets(found), found.seconds)
    return family


def buckets(found: Reached) -> list[tuple[str, float]]:
    """Give how many took at most so many seconds, for each limit; what lies below the first one is in all."""
    counts, below = [], 0
    for exponent in EXPONENTS:
        below = max((n for each, n in found.within.items() if each <= exponent), default=0)
        counts.append((str(2.0**exponent), float(below)))
    return [*counts, ("+Inf", float(found.n))]
