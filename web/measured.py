"""Metrics of what the sweeper measures: latency of the last hour and day, steps' times, what steps did, what waits."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from ..statemachine.views import Quantiles
from ..statemachine.views.folding import Unfolded
from ..statemachine.views.latency import Lately
from .gauges import filled, gauge

SHARES = {"0.5": "p50", "0.95": "p95", "0.99": "p99"}


def families(day: Lately, done: dict[tuple[str, str], int], waits: Unfolded) -> Iterator[Metric]:
    """Give the families; a quantile of nothing is left out."""
    whole = _summary("latency_seconds", "From file closed to done, realtime campaigns")
    files = gauge("latency_files", "Files done, each once, realtime campaigns", "window")
    for window, took in (("hour", day.hour), ("day", day.whole)):
        _add(whole, took, window=window)
        files.add_metric([window], took.n)
    yield whole
    yield files
    parts = _summary("step_seconds", "Waiting and working time of a step in the last day")
    for step in day.steps:
        _add(parts, step.waiting, step=step.step, what="waiting")
        _add(parts, step.working, step=step.step, what="working")
    yield parts
    ended = gauge("attempts_last_hour", "Attempts that ended in the last hour", "step", "outcome")
    for labels, n in done.items():
        ended.add_metric(labels, n)
    yield ended
    yield from _unfolded(waits)


def _unfolded(waits: Unfolded) -> Iterator[Metric]:
    yield filled(gauge("count_deltas_waiting", "Count changes not folded yet, up to 100 000"), {(): waits.counts})
    yield filled(gauge("sums_waiting", "Sums of metrics not folded yet, up to 100 000"), {(): waits.sums})
    yield filled(gauge("measures_waiting", "Changes not measured yet, up to 100 000"), {(): waits.measures})
    age = gauge("unfolded_seconds", "For how long the oldest of them has waited", "what")
    yield filled(age, {("measures",): waits.measures_s, ("sums",): waits.sums_s})


def _add(family: Metric, took: Quantiles, **labels: str) -> None:
    for quantile, name in SHARES.items():
        value = getattr(took, name)
        if value is not None:
            family.add_sample(family.name, {**labels, "quantile": quantile}, value)


def _summary(name: str, help_text: str) -> Metric:
    """Quantiles are a summary's. It has no count, which would go down as the window moves on."""
    return Metric(f"headframe_{name}", help_text, "summary")
