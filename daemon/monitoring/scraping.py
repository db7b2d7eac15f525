"""Prometheus' own configuration: whom to scrape, which rules to hold, whom to tell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...statemachine.records import Record
from .promql import INSTANCE

WEB = "headframe-web"
"""The job of the web processes: rules ask after it by this name."""
DAEMONS = "headframe-daemons"


class Target(Record, kw_only=False):
    """A daemon's end point: its role, and host:port."""

    role: str
    address: str


class Scraping(Record):
    """What to scrape of an instance, and how often. With a `namespace`, pods are found by Kubernetes."""

    instance: str
    web: tuple[str, ...] = ()
    daemons: tuple[Target, ...] = ()
    namespace: str = ""
    alertmanagers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ("headframe.rules.yml",)
    token_file: Path | None = None
    every_s: float = 15.0


def prometheus(asked: Scraping) -> dict[str, Any]:
    """Give the configuration of a Prometheus for this instance alone."""
    every, timeout = duration(asked.every_s), duration(min(10, asked.every_s))
    told = [{"static_configs": [{"targets": list(asked.alertmanagers)}]}] if asked.alertmanagers else []
    return {
        "global": {"scrape_interval": every, "scrape_timeout": timeout, "evaluation_interval": every},
        "rule_files": list(asked.rules),
        "alerting": {"alertmanagers": told},
        "scrape_configs": list(_jobs(asked)),
    }


def duration(seconds: float) -> str:
    """Write a span as Prometheus does, to the millisecond: it knows no fractions."""
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


def _jobs(asked: Scraping) -> Sequence[dict[str, Any]]:
    if asked.namespace:
        return [_found(WEB, asked, web=True), _found(DAEMONS, asked, web=False)]
    jobs = [{"job_name": WEB, **_allowed(asked), "static_configs": [_static(asked, asked.web)]}]
    by_role = [_static(asked, [each.address], role=each.role) for each in asked.daemons]
    return [*jobs, {"job_name": DAEMONS, "static_configs": by_role}] if by_role else jobs


def _static(asked: Scraping, addresses: Sequence[str], **labels: str) -> dict[str, Any]:
    return {"targets": list(addresses), "labels": {INSTANCE: asked.instance, **labels}}


def _allowed(asked: Scraping) -> dict[str, Any]:
    """Show the token that a closed instance asks for; the file is read by Prometheus, and is in no configuration."""
    if asked.token_file is None:
        return {}
    return {"authorization": {"type": "Bearer", "credentials_file": str(asked.token_file)}}


def _found(job: str, asked: Scraping, *, web: bool) -> dict[str, Any]:
    """Find pods by the names of their ports: `http` of the web, `monitor` of every daemon."""
    name = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
    relabel: list[dict[str, Any]] = [
        _keep("__meta_kubernetes_pod_container_port_name", "http" if web else "monitor"),
        *([_keep(name, "web")] if web else []),
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        {"source_labels": [name], "target_label": "role"},
        {"target_label": INSTANCE, "replacement": asked.instance},
    ]
    pods = [{"role": "pod", "namespaces": {"names": [asked.namespace]}}]
    allowed = _allowed(asked) if web else {}
    return {"job_name": job, **allowed, "kubernetes_sd_configs": pods, "relabel_configs": relabel}


def _keep(label: str, value: str) -> dict[str, Any]:
    return {"source_labels": [label], "regex": value, "action": "keep"}
