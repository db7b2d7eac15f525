"""`headframe monitoring`: files that Prometheus, Alertmanager and Grafana take as they are."""

import json
from pathlib import Path

import pytest

from ..integration.cli_help import headframe
from ..integration.prometheus_server import tool

FILES = {
    "rules": "headframe.rules.yml",
    "prometheus": "prometheus.yml",
    "alertmanager": "alertmanager.yml",
}
MAIL = ("--mail-to", "shift@example.org", "--mail-from", "headframe@example.org", "--smtp", "smtp.example.org:587")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "headframe.toml"
    file.write_text('instance = "lz"\n[database]\nurl = "postgresql://127.0.0.1:1/none"\n[web]\nport = 8090\n')
    return file


def test_files_in_one_folder_are_what_prometheus_and_alertmanager_take(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    more = {"prometheus": ("--alertmanager", "localhost:9093", "--daemon", "conductor=localhost:9401")}
    for command, file in FILES.items():
        words = more.get(command, MAIL if command == "alertmanager" else ())
        done = headframe(config, "monitoring", command, *words, "--out", str(out))
        assert (done.code, done.out) == (0, f"{out / file}\n"), done.err
    said = tool("promtool", "check", "config", "prometheus.yml", folder=out)
    assert "1 rule files found" in said and "localhost:9401" in (out / "prometheus.yml").read_text()
    tool("amtool", "check-config", "alertmanager.yml", folder=out)
    assert "127.0.0.1:8090" in (out / "prometheus.yml").read_text()


def test_who_misses_the_watchdog_is_in_alertmanagers_configuration(config: Path) -> None:
    done = headframe(config, "monitoring", "alertmanager", *MAIL, "--watchdog", "https://example.org/ping/1")
    assert "https://example.org/ping/1" in done.out
    refused = headframe(config, "monitoring", "alertmanager", *MAIL, "--watchdog", "example.org")
    assert refused.code == 2 and "--watchdog example.org: expected http(s)://HOST/..." in refused.err


def test_rules_lead_to_the_handbook_of_the_configuration_unless_another_is_named(config: Path) -> None:
    assert "runbook_url: docs/alerts.md#site-down" in headframe(config, "monitoring", "rules").out
    config.write_text(config.read_text() + '[alerts]\nhandbook = "https://example.org/alerts/"\n')
    assert "runbook_url: https://example.org/alerts/#site-down" in headframe(config, "monitoring", "rules").out
    named = headframe(config, "monitoring", "rules", "--handbook", "https://other.org/a")
    assert "runbook_url: https://other.org/a#site-down" in named.out
    config.write_text(config.read_text().replace("https://example.org/alerts/", "the wiki"))
    refused = headframe(config, "monitoring", "rules")
    assert refused.code != 0 and "alerts.handbook" in refused.err


def test_dashboards_are_a_file_each(config: Path, tmp_path: Path) -> None:
    done = headframe(config, "monitoring", "dashboards", "--out", str(tmp_path / "made"))
    files = [Path(line) for line in done.out.splitlines()]
    assert [file.name for file in files] == [
        f"headframe-{name}.json" for name in ("overview", "steps", "sites", "cluster", "services")
    ]
    for file in files:
        (current,) = (
            each["current"] for each in json.loads(file.read_text())["templating"]["list"] if each["name"] == "instance"
        )
        assert current["value"] == "lz"


def test_limits_are_those_of_the_configuration(config: Path) -> None:
    with config.open("a") as more:
        more.write("[alerts.limits]\nqueue_minutes = 7\n")
    assert "> 420" in headframe(config, "monitoring", "rules").out


def test_without_a_folder_a_file_is_printed(config: Path) -> None:
    done = headframe(config, "monitoring", "rules")
    assert done.code == 0 and done.out.startswith("groups:")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("alertmanager",), "nobody is told: give --mail-to ADDRESS or --hook URL"),
        (("alertmanager", "--mail-to", "a@b"), "--mail-to needs --mail-from ADDRESS and --smtp HOST:PORT"),
        (("alertmanager", *MAIL, "--smtp-user", "me"), "--smtp-user and --smtp-password-file go together"),
        (("prometheus", "--daemon", "conductor"), "--daemon conductor: expected ROLE=HOST:PORT"),
    ],
)
def test_what_is_missing_is_named(config: Path, words: tuple[str, ...], said: str) -> None:
    done = headframe(config, "monitoring", *words)
    assert done.code == 2 and said in done.err
