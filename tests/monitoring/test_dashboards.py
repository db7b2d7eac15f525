"""Dashboards: Grafana's own form, expressions that parse, panels that do not overlap."""

import json
from pathlib import Path
from typing import Any

import pytest

from headframe.daemon.monitoring.dashboards import dashboards

from .promtool import asked, filled, parse

MADE = dict(dashboards("headframe"))
ANY = pytest.mark.parametrize("name", MADE)


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    across, down = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return {(x, y) for x in across for y in down}


def test_every_expression_of_every_dashboard_parses(tmp_path: Path) -> None:
    parse(tmp_path, [filled(each) for made in MADE.values() for each in asked(made)])


@ANY
def test_a_dashboard_is_what_grafana_imports(name: str) -> None:
    made = json.loads(json.dumps(MADE[name]))
    assert made["uid"] == f"headframe-{name}" and 8 <= len(made["uid"]) <= 40
    assert made["id"] is None and made["schemaVersion"] >= 36 and made["title"]
    assert [each["name"] for each in made["templating"]["list"]][:2] == ["source", "instance"]
    for panel in made["panels"]:
        assert panel["type"] in ("row", "timeseries", "stat", "table") and panel["title"]
        assert panel["type"] == "row" or panel["targets"]
    ids = [panel["id"] for panel in made["panels"]]
    assert len(set(ids)) == len(ids)


@ANY
def test_panels_stand_within_the_page_and_none_on_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in MADE[name]["panels"]:
        own = cells(panel)
        assert all(x < 24 for x, _ in own), panel["title"]
        assert not own & taken, panel["title"]
        taken |= own


@ANY
def test_a_dashboard_asks_for_one_instance_and_uses_each_of_its_variables(name: str) -> None:
    variables = {each["name"] for each in MADE[name]["templating"]["list"]}
    for expression in asked(MADE[name]):
        assert 'headframe="$instance"' in expression
    said = json.dumps(MADE[name]["panels"])
    assert all(f"${variable}" in said for variable in variables)
