"""Promtool's word on rules and expressions."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ..integration.prometheus_server import tool

FAMILY = re.compile(r"\bheadframe:[a-z0-9_:]+|\b(?:headframe|process|python)_[a-z_]+\b|\bup\b")
VARIABLES = {"$__rate_interval": "1m", "$instance": "headframe", "$step": ".*", "$site": ".*"}


def check_rules(folder: Path, rules: dict[str, Any]) -> str:
    """Have rules checked; the word of promtool, which ends the test where it is not content."""
    (folder / "rules.yml").write_text(yaml.safe_dump(rules, sort_keys=False))
    return tool("promtool", "check", "rules", "--lint-fatal", "rules.yml", folder=folder)


def parse(folder: Path, expressions: Iterable[str]) -> None:
    """Have expressions parsed, each as a rule of its own."""
    recorded = [{"record": f"asked:{number}", "expr": expr} for number, expr in enumerate(expressions)]
    assert recorded
    check_rules(folder, {"groups": [{"name": "asked", "rules": recorded}]})


def filled(expression: str) -> str:
    """Fill in what Grafana fills in."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def asked(dashboard: dict[str, Any]) -> Iterator[str]:
    """Give every expression of a dashboard."""
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (each["expr"] for each in dashboard["annotations"]["list"])


def families(expression: str) -> set[str]:
    """Name the families that an expression reads, a histogram's without its parts; not the labels that it names."""
    bare = re.sub(r"\{[^}]*\}|\b(?:by|without|on|ignoring)\s*\([^)]*\)", "", expression)
    bare = re.sub(r'"[^"]*"', "", bare)
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in FAMILY.findall(bare)}
