"""Grafana's dashboards, in its classic JSON: imported by hand, by file or by its API."""

from collections.abc import Iterator
from typing import Any

from ..promql import INSTANCE
from . import cluster, overview, services, sites, steps
from .panels import SOURCE, Row, layout

SCHEMA = 39
"""Grafana 11's; later ones bring it up to date as they load it, and earlier ones know all that is used here."""
PAGES: dict[str, tuple[str, tuple[Row, ...], tuple[str, ...]]] = {
    "overview": ("headframe: overview", overview.ROWS, ()),
    "steps": ("headframe: steps", steps.ROWS, ("step",)),
    "sites": ("headframe: sites", sites.ROWS, ("site",)),
    "cluster": ("headframe: cluster", cluster.ROWS, ()),
    "services": ("headframe: services", services.ROWS, ()),
}
ASKED = {
    "step": "label_values(headframe_items, step)",
    "site": "label_values(headframe_site_up, site)",
}


def dashboards(instance: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each dashboard with its name; all show this instance first."""
    for name, (title, rows, variables) in PAGES.items():
        yield name, _dashboard(name, title, rows, variables, instance)


def _dashboard(
    name: str, title: str, rows: tuple[Row, ...], variables: tuple[str, ...], instance: str
) -> dict[str, Any]:
    return {
        "id": None,
        "uid": f"headframe-{name}",
        "title": title,
        "tags": ["headframe"],
        "timezone": "utc",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "version": 1,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), _instance(instance), *map(_variable, variables)]},
        "annotations": {"list": [_alerts()]},
        "links": [_others()],
        "panels": layout(rows),
    }


def _source() -> dict[str, Any]:
    return {"type": "datasource", "name": "source", "label": "Prometheus", "query": "prometheus", "hide": 0}


def _instance(instance: str) -> dict[str, Any]:
    current = {"text": instance, "value": instance, "selected": True}
    asked = f"label_values(headframe_database_up, {INSTANCE})"
    return {**_query("instance", asked), "current": current, "multi": False, "includeAll": False}


def _variable(name: str) -> dict[str, Any]:
    return {**_query(name, ASKED[name]), "multi": True, "includeAll": True, "allValue": ".*"}


def _query(name: str, asked: str) -> dict[str, Any]:
    query = {"query": asked, "refId": "A", "qryType": 1}
    return {"type": "query", "name": name, "datasource": SOURCE, "query": query, "refresh": 2, "sort": 1, "hide": 0}


def _alerts() -> dict[str, Any]:
    """Mark on every panel when something fired."""
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": f'ALERTS{{{INSTANCE}="$instance", alertstate="firing"}}',
        "titleFormat": "{{code}}",
        "textFormat": "{{name}}",
    }


def _others() -> dict[str, Any]:
    return {
        "title": "headframe",
        "type": "dashboards",
        "tags": ["headframe"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "icon": "external link",
        "targetBlank": False,
        "tooltip": "",
        "url": "",
    }
