"""Grafana's panels: what each kind needs, and where it stands on the page of 24 columns."""

from collections.abc import Iterator, Sequence
from typing import Any

from ....statemachine.records import Record

SOURCE = {"type": "prometheus", "uid": "$source"}
COLUMNS = 24
GOOD, WARN, BAD = "green", "orange", "red"


class Query(Record, kw_only=False):
    """An expression, and how its series are called."""

    expr: str
    legend: str = ""


class Panel(Record, kw_only=False):
    """A panel: how many columns it is wide and how high, and what it asks."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    says: str = ""
    width: int = 12
    height: int = 8
    stacked: bool = False
    steps: tuple[tuple[float | None, str], ...] = ((None, GOOD),)
    words: tuple[tuple[str, str, str], ...] = ()


class Row(Record, kw_only=False):
    """A heading, and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


def layout(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Give the panels of all rows as Grafana wants them, each in its place."""
    made: list[dict[str, Any]] = []
    below = 0
    for row in rows:
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": below}
        made.append({"type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []})
        below += 1
        made += [_panel(panel, place) for panel, place in _places(row.panels, below)]
        below = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in made)
    return [{"id": number, **each} for number, each in enumerate(made, 1)]


def _places(panels: Sequence[Panel], top: int) -> Iterator[tuple[Panel, dict[str, int]]]:
    """Set panels from left to right; one that does not fit begins a line of its own."""
    left, height = 0, 0
    for panel in panels:
        if left + panel.width > COLUMNS:
            top, left, height = top + height, 0, 0
        yield panel, {"h": panel.height, "w": panel.width, "x": left, "y": top}
        left, height = left + panel.width, max(height, panel.height)


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [_target(number, query, panel) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": OPTIONS[panel.kind],
        "transformations": TABLE if panel.kind == "table" else [],
    }


def _target(number: int, query: Query, panel: Panel) -> dict[str, Any]:
    """Ask over time for a line, and once for a number or a table."""
    once = panel.kind != "timeseries"
    return {
        "refId": chr(ord("A") + number),
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": once,
        "range": not once,
        "format": "table" if panel.kind == "table" else "time_series",
    }


def _field(panel: Panel) -> dict[str, Any]:
    steps = [{"value": value, "color": color} for value, color in panel.steps]
    said = {value: {"text": text, "color": color} for value, text, color in panel.words}
    field: dict[str, Any] = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [{"type": "value", "options": said}] if said else [],
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
    }
    if panel.kind == "timeseries":
        field["min"] = 0
        field["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 25 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
        }
    return field


LINES = {
    "legend": {"displayMode": "table", "placement": "right", "showLegend": True, "calcs": ["lastNotNull", "max"]},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
NUMBER = {
    "colorMode": "background",
    "graphMode": "none",
    "justifyMode": "auto",
    "orientation": "auto",
    "textMode": "auto",
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": LINES,
    "stat": NUMBER,
    "table": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
}
TABLE = [
    {
        "id": "organize",
        "options": {
            "excludeByName": {"Time": True, "__name__": True, "job": True, "instance": True, "headframe": True}
        },
    }
]
