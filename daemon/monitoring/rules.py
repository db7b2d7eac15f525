"""Prometheus' rules: one alert for each of the catalogue, and the figures that dashboards would ask for often."""

import re
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ...statemachine.alerting import ALERTS, Alert, Limits
from .promql import INSTANCE, ONE_REPLICA
from .scraping import duration

FAMILY = re.compile(r'"[^"]*"|\b(headframe_[a-z_]+|up)\b(\{)?')
"""A family, or a value of a label, in which the same word is none."""
RANGE = re.compile(r"\[([^]]+)\]")
SPAN = re.compile(r"(\d+)([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
RECORDED = {
    "headframe:attempts_failed:share1h": (
        f"sum by (step) ({ONE_REPLICA} (increase(headframe_attempts_total{{outcome=\"failed\"}}[1h])))"
        f" / sum by (step) ({ONE_REPLICA} (increase(headframe_attempts_total[1h]))) >= 0"
    ),
    "headframe:file_seconds:p95_1h": (
        "histogram_quantile(0.95,"
        f" sum by (le, state) ({ONE_REPLICA} (increase(headframe_file_seconds_bucket[1h]))))"
    ),
    "headframe:site_full:hours": f"{ONE_REPLICA} (headframe_site_full_seconds) / 3600",
}  # fmt: skip
"""Kept by Prometheus itself: spans of hours, which every viewer of a dashboard would have it read again."""
WATCHDOG = "watchdog"
"""The code of the alert that always fires: who no longer hears of it knows that nobody would be told of any other."""


def rules(
    instance: str,
    limits: Limits,
    *,
    pages: str = "",
    handbook: str = "docs/alerts.md",
    scale: float = 1.0,
    alerts: Sequence[Alert] = ALERTS,
) -> dict[str, Any]:
    """Give the file of rules of an instance.

    `scale` shortens for how long something must be so, and the spans that are looked at; not the limits.
    """
    told = [_alert(alert, instance, limits, pages, handbook, scale) for alert in alerts]
    return {
        "groups": [
            {"name": f"{instance}-figures", "rules": [_figure(*each, instance, scale) for each in RECORDED.items()]},
            {"name": f"{instance}-alerts", "rules": told},
            {"name": f"{instance}-{WATCHDOG}", "rules": [_watchdog(instance, handbook)]},
        ]
    }


def of_instance(expression: str, instance: str) -> str:
    """Have an expression read this instance alone: one Prometheus may watch several."""
    chosen = f'{INSTANCE}="{instance}"'

    def choose(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        return f"{found[1]}{{{chosen}," if found[2] else f"{found[1]}{{{chosen}}}"

    return FAMILY.sub(choose, expression)


def scaled(expression: str, scale: float) -> str:
    """Shorten the ranges of an expression."""

    def shorter(span: re.Match[str]) -> str:
        return duration(max(0.001, int(span[1]) * UNITS[span[2]] * scale))

    if scale == 1:
        return expression
    return RANGE.sub(lambda found: f"[{SPAN.sub(shorter, found[1])}]", expression)


def name_of(alert: Alert) -> str:
    """Give the name that Prometheus knows an alert by: `no-progress` is `HeadframeNoProgress`."""
    return "Headframe" + "".join(word.capitalize() for word in alert.code.split("-"))


def _alert(alert: Alert, instance: str, limits: Limits, pages: str, handbook: str, scale: float) -> dict[str, Any]:
    said = {
        "summary": _said(alert.summary),
        "description": f"instance {instance}; run: {_said(alert.command)}",
        "runbook_url": f"{handbook}#{alert.remedy_anchor}",
    }
    if pages:
        said["page"] = pages.rstrip("/") + alert.page
    return {
        "alert": name_of(alert),
        "expr": of_instance(replace(alert, expr=scaled(alert.expr, scale)).query(limits), instance),
        "for": duration(alert.for_s * scale),
        "labels": {INSTANCE: instance, "severity": str(alert.severity), "code": alert.code},
        "annotations": said,
    }


def _watchdog(instance: str, handbook: str) -> dict[str, Any]:
    said = {
        "summary": "this always fires, and nothing has to be done: where it is not heard, no alert is",
        "description": f"instance {instance}; where it is missed: look at Prometheus and Alertmanager",
        "runbook_url": f"{handbook}#{WATCHDOG}",
    }
    labels = {INSTANCE: instance, "severity": "none", "code": WATCHDOG}
    return {"alert": "HeadframeWatchdog", "expr": "vector(1)", "labels": labels, "annotations": said}


def _figure(name: str, expression: str, instance: str, scale: float) -> dict[str, Any]:
    expr = scaled(of_instance(expression, instance), scale)
    return {"record": name, "expr": expr, "labels": {INSTANCE: instance}}


def _said(text: str) -> str:
    """Have Prometheus fill in what the alert is about."""
    return text.replace("{name}", "{{ $labels.name }}")
