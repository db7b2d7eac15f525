"""Promtool's unit tests, made of cases: what fires, what does not, what is acknowledged, what is another instance's."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from headframe.daemon.monitoring.rules import name_of, rules
from headframe.statemachine.alerting import ALERTS, Limits

from .cases import CASES, MORE_FIRES, MORE_QUIET, Case

REPLICAS = ("web-0:8080", "web-1:8080")
"""Each series is there twice: as many as there are webs."""
MADE = rules("headframe", Limits(), pages="https://headframe.example.org", handbook="https://example.org/alerts")
BY_CODE = {alert.code: alert for alert in ALERTS}
AN_HOUR, BEFORE = "9000", "5000"
"""Ends of acknowledgements: after and before a test looks, in seconds since its begin."""
RULES = {rule["labels"]["code"]: rule for rule in MADE["groups"][1]["rules"]}


def write_tests(folder: Path, *, without_series: bool = False) -> list[str]:
    """Write a file of tests for each alert beside a file of its rule alone, as promtool evaluates all of a file."""
    return [_write(folder, code, case, without_series=without_series) for code, case in CASES.items()]


def _write(folder: Path, code: str, case: Case, *, without_series: bool) -> str:
    (folder / f"{code}.rule.yml").write_text(yaml.safe_dump({"groups": [{"name": code, "rules": [RULES[code]]}]}))
    made = _of(code, case)
    for test in made if without_series else ():
        test["input_series"] = []
    said = {"rule_files": [f"{code}.rule.yml"], "evaluation_interval": "5m", "tests": made}
    (folder / f"{code}.test.yml").write_text(yaml.safe_dump(said, sort_keys=False))
    return f"{code}.test.yml"


def write_watchdog_test(folder: Path) -> str:
    """Write a test of the watchdog without any series."""
    rule = MADE["groups"][2]["rules"][0]
    expected = {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}
    asked = [{"eval_time": "1m", "alertname": rule["alert"], "exp_alerts": [expected]}]
    return _write_alone(folder, rule, {"interval": "1m", "input_series": [], "alert_rule_test": asked})


def write_figure_test(folder: Path, series: Mapping[str, str], figure: str, expected: Mapping[str, float]) -> str:
    """Write a test of what a rule records, from series of two replicas."""
    (rule,) = (each for each in MADE["groups"][0]["rules"] if each["record"] == figure)
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    asked = [{"expr": figure, "eval_time": "5m", "exp_samples": samples}]
    return _write_alone(
        folder, rule, {"interval": "1m", "input_series": _of_replicas(series), "promql_expr_test": asked}
    )


def _write_alone(folder: Path, rule: dict[str, Any], test: dict[str, Any]) -> str:
    (folder / "rule.yml").write_text(yaml.safe_dump({"groups": [{"name": "alone", "rules": [rule]}]}))
    said = {"rule_files": ["rule.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(yaml.safe_dump(said, sort_keys=False))
    return "test.yml"


def _of_replicas(series: Mapping[str, str], instance: str = "headframe") -> list[dict[str, str]]:
    return [
        {"series": _labelled(each, instance, replica), "values": values}
        for each, values in series.items()
        for replica in REPLICAS
    ]


def _of(code: str, case: Case) -> list[dict[str, Any]]:
    name = case.labels.get("name", "")
    quiet = [case.quiet, {**case.fires, **_acknowledged(code, name, "1", AN_HOUR)}, *MORE_QUIET.get(code, ())]
    fires = [case.fires, *MORE_FIRES.get(code, ()), {**case.fires, **_acknowledged(code, name, "0", BEFORE)}]
    made = [_test(code, f"fires {number}", each, case.at, [_expected(code, case)]) for number, each in enumerate(fires)]
    made += [_test(code, f"quiet {number}", each, case.at, []) for number, each in enumerate(quiet)]
    if code != "web-away":  # what is not there at all is away in every instance
        made.append(_test(code, "another instance", case.fires, case.at, [], instance="another"))
    return made


def _acknowledged(code: str, name: str, now: str, until: str) -> dict[str, str]:
    """Somebody knows of it; of what leaves nobody to ask, they said so before."""
    of = f'{{code="{code}",name="{name}"}}'
    if BY_CODE[code].blind:
        return {f"headframe_alert_acknowledged_until_seconds{of}": f"{until}x10 _x290"}
    return {f"headframe_alert_acknowledged{of}": f"{now}x300"}


def _test(
    code: str,
    what: str,
    series: Mapping[str, str],
    at: str,
    expected: list[dict[str, Any]],
    instance: str = "headframe",
) -> dict[str, Any]:
    return {
        "name": f"{code}: {what}",
        "interval": "1m",
        "input_series": _of_replicas(series, instance),
        "alert_rule_test": [{"eval_time": at, "alertname": name_of(BY_CODE[code]), "exp_alerts": expected}],
    }


def _labelled(series: str, instance: str, replica: str) -> str:
    family, _, labels = series.rstrip("}").partition("{")
    job = "" if "job=" in labels else ',job="headframe-web"'
    return f'{family}{{headframe="{instance}",instance="{replica}"{job}{"," if labels else ""}{labels}}}'


def _expected(code: str, case: Case) -> dict[str, Any]:
    rule = RULES[code]
    said = {
        key: re.sub(r"\{\{ \$labels\.name \}\}", case.labels.get("name", ""), text)
        for key, text in rule["annotations"].items()
    }
    labels = {key: value for key, value in case.labels.items() if value}
    own = {key: value for key, value in rule["labels"].items() if key != "alertname"}
    return {"exp_labels": {**own, **labels}, "exp_annotations": said}
