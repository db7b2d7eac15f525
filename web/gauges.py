"""Gauges of /metrics, under the one prefix that all names have."""

from collections.abc import Mapping
from typing import TypeVar

from prometheus_client.core import GaugeMetricFamily

Labels = TypeVar("Labels", bound=tuple[str, ...])


def gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    """Give an empty family, `headframe_<name>`."""
    return GaugeMetricFamily(f"headframe_{name}", help_text, labels=labels)


def filled(family: GaugeMetricFamily, values: Mapping[Labels, float]) -> GaugeMetricFamily:
    """Give the family with a value for each set of labels, in their order."""
    for labels in sorted(values):
        family.add_metric(labels, float(values[labels]))
    return family
