"""Prometheus' rules: promtool is content with them, and each alert fires where it should and nowhere else."""

from pathlib import Path

import pytest

from headframe.daemon.monitoring.alertmanager import EVERYTHING, FOLLOWS, SAME
from headframe.daemon.monitoring.rules import RECORDED, WATCHDOG, name_of, of_instance, rules, scaled
from headframe.statemachine.alerting import ALERTS, Limits

from ..integration.prometheus_server import tool
from .cases import CASES, MORE_QUIET
from .promtool import check_rules
from .rule_tests import MADE, write_figure_test, write_tests, write_watchdog_test

CODES = {alert.code for alert in ALERTS}


def test_promtool_is_content_with_the_rules(tmp_path: Path) -> None:
    assert f"{len(ALERTS) + len(RECORDED) + 1} rules found" in check_rules(tmp_path, MADE)


def test_every_alert_of_the_catalogue_has_its_unit_test() -> None:
    assert set(CASES) == CODES
    assert set(MORE_QUIET) <= CODES


def test_every_alert_of_the_catalogue_is_caused_in_a_real_instance_by_make_monitoring() -> None:
    caused = Path(__file__).with_name("test_every_alert.py").read_text()
    assert {code for code in CODES if f'"{code}"' not in caused} == set()


def test_each_alert_fires_where_it_should_and_is_silent_where_it_should_not(tmp_path: Path) -> None:
    tool("promtool", "test", "rules", *write_tests(tmp_path), folder=tmp_path)


def test_a_unit_test_that_is_wrong_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="FAILED"):
        tool("promtool", "test", "rules", *write_tests(tmp_path, without_series=True)[:1], folder=tmp_path)


def test_the_watchdog_fires_though_there_is_nothing_at_all(tmp_path: Path) -> None:
    tool("promtool", "test", "rules", write_watchdog_test(tmp_path), folder=tmp_path)
    assert WATCHDOG not in CODES, "nobody is asked to do anything about it"


def test_the_hours_until_a_site_is_full_are_what_the_program_itself_says(tmp_path: Path) -> None:
    said = {
        'headframe_site_full_seconds{site="daq"}': "7200x10",
        'headframe_site_bytes{site="far",what="free"}': "9-1x8",
    }
    wanted = {'{__name__="headframe:site_full:hours", headframe="headframe", job="headframe-web", site="daq"}': 2.0}
    tool(
        "promtool",
        "test",
        "rules",
        write_figure_test(tmp_path, said, "headframe:site_full:hours", wanted),
        folder=tmp_path,
    )


def test_an_alert_names_the_command_to_run_its_page_and_its_remedy() -> None:
    for rule, alert in zip(MADE["groups"][1]["rules"], ALERTS, strict=True):
        said = rule["annotations"]
        assert alert.command.replace("{name}", "{{ $labels.name }}") in said["description"]
        assert said["page"].startswith("https://headframe.example.org/")
        assert said["runbook_url"].endswith(f"#{alert.code}")
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_what_silences_and_what_is_silenced_are_alerts() -> None:
    named = {*FOLLOWS, *SAME, *(each for table in (FOLLOWS, SAME) for follows in table.values() for each in follows)}
    assert named - {EVERYTHING} <= CODES


def test_limits_of_the_configuration_are_in_the_rules() -> None:
    made = str(rules("headframe", Limits(queue_minutes=7, buffer_hours=5)))
    assert "> 420" in made and f"< {5 * 3600}" in made


def test_rules_read_one_instance_alone() -> None:
    assert of_instance('max(headframe_a) + headframe_b{x="up"}', "lz") == (
        'max(headframe_a{headframe="lz"}) + headframe_b{headframe="lz",x="up"}'
    )


def test_a_scale_shortens_ranges_and_patience() -> None:
    assert scaled("f(a[1h:1m]) > 3600", 0.01) == "f(a[36s:600ms]) > 3600"
    assert scaled("f(a[15m])", 1) == "f(a[15m])"
    (alert,) = (each for each in rules("x", Limits(), scale=0.01)["groups"][1]["rules"] if "NoWorker" in each["alert"])
    assert alert["for"] == "1200ms"


def test_names_are_as_prometheus_likes_them() -> None:
    assert {name_of(alert) for alert in ALERTS} >= {"HeadframeNoProgress", "HeadframeSiteFull"}
