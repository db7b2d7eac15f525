"""What Prometheus and Alertmanager are configured with: their own tools are content, and secrets stay in files."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from headframe.daemon.monitoring.alertmanager import FOLLOWS, SAME, Hook, Mail, Telling, alertmanager
from headframe.daemon.monitoring.scraping import Scraping, Target, prometheus

from ..integration.prometheus_server import tool

BASE = Path(__file__).parents[2] / "k8s/base"
WEB = ("web-0.example.org:8080", "web-1.example.org:8080")
HERE = Scraping(
    instance="headframe",
    web=WEB,
    daemons=(Target("conductor", "localhost:9401"), Target("sweeper", "localhost:9402")),
    alertmanagers=("localhost:9093",),
    rules=(),
)


def written(folder: Path, name: str, made: dict[str, Any]) -> str:
    (folder / name).write_text(yaml.safe_dump(made, sort_keys=False))
    return name


def check(folder: Path, asked: Scraping) -> None:
    """Have it checked; Debian's promtool knows nothing of Kubernetes, so what is found there is given by hand."""
    made = prometheus(asked)
    for job in made["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None):
            job["static_configs"] = [{"targets": ["10.0.0.1:8080"]}]
    tool("promtool", "check", "config", written(folder, "prometheus.yml", made), folder=folder)


def told(folder: Path) -> Telling:
    for secret in ("mail", "hook"):
        (folder / secret).write_text("hunter2-and-more\n")
    mail = Mail(
        smarthost="smtp.example.org:587",
        sender="headframe@example.org",
        to=("shift@example.org", "anna@example.org"),
        user="headframe",
        password_file=folder / "mail",
    )
    return Telling(mail=mail, hooks=(Hook("https://example.org/hook", folder / "hook"),))


@pytest.mark.parametrize(
    "asked",
    [
        HERE,
        Scraping(instance="headframe", namespace="experiment", rules=()),
        Scraping(instance="headframe", web=WEB, every_s=0.5, rules=()),
    ],
    ids=["addresses", "kubernetes", "half a second"],
)
def test_promtool_is_content_with_prometheus_configuration(tmp_path: Path, asked: Scraping) -> None:
    check(tmp_path, asked)


def test_a_closed_instance_is_scraped_with_a_token_that_stays_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2-and-more\n")
    made = prometheus(Scraping(instance="headframe", web=WEB, rules=(), token_file=tmp_path / "token"))
    written(tmp_path, "prometheus.yml", made)
    tool("promtool", "check", "config", "prometheus.yml", folder=tmp_path)
    assert "hunter2" not in str(made) and str(tmp_path / "token") in str(made)


def test_every_target_says_whose_it_is() -> None:
    for job in prometheus(HERE)["scrape_configs"]:
        assert all(each["labels"]["headframe"] == "headframe" for each in job["static_configs"])


def test_amtool_is_content_with_alertmanagers_configuration(tmp_path: Path) -> None:
    name = written(tmp_path, "alertmanager.yml", alertmanager(told(tmp_path)))
    assert "2 receivers" in tool("amtool", "check-config", name, folder=tmp_path)


def test_alertmanager_is_given_the_files_of_secrets_not_the_secrets(tmp_path: Path) -> None:
    made = str(alertmanager(told(tmp_path)))
    assert "hunter2" not in made
    assert str(tmp_path / "mail") in made and str(tmp_path / "hook") in made


def test_who_is_told_by_web_hook_alone_gets_no_mail(tmp_path: Path) -> None:
    made = alertmanager(Telling(hooks=(Hook("http://localhost:1/"),)))
    assert not [each for each in made["receivers"] if "email_configs" in each]
    tool("amtool", "check-config", written(tmp_path, "alertmanager.yml", made), folder=tmp_path)


@pytest.mark.parametrize("watchdog", ["", "https://example.org/ping/1"])
def test_the_watchdog_is_told_apart_from_all_that_people_are_told(tmp_path: Path, watchdog: str) -> None:
    made = alertmanager(Telling(hooks=(Hook("http://localhost:1/"),), watchdog=watchdog))
    name = written(tmp_path, "alertmanager.yml", made)
    assert "2 receivers" in tool("amtool", "check-config", name, folder=tmp_path)

    def goes_to(*labels: str) -> str:
        return tool("amtool", "config", "routes", "test", f"--config.file={name}", *labels, folder=tmp_path).strip()

    assert goes_to("code=watchdog", "severity=none") == "watchdog"
    assert goes_to("code=site-down", "severity=page") == goes_to("code=failed-items", "severity=ticket") == "people"
    told_to = {each["name"]: str(each) for each in made["receivers"]}
    assert ("https://example.org/ping/1" in told_to["watchdog"]) == bool(watchdog)


def test_nothing_silences_the_watchdog() -> None:
    for rule in alertmanager(Telling())["inhibit_rules"]:
        (target,) = rule["target_matchers"]
        code, excepts, values = target.partition("!~" if "!~" in target else "=~")
        named = "watchdog" in values.strip('"').split("|")
        assert code == "code" and named == (excepts == "!~"), target


def test_no_two_alerts_silence_each_other() -> None:
    pairs = {(cause, each) for cause, follows in [*FOLLOWS.items(), *SAME.items()] for each in follows}
    assert not {(a, b) for a, b in pairs if (b, a) in pairs}


def pod(file: str) -> Any:
    made = yaml.safe_load_all((BASE / file).read_text())
    return next(each["spec"]["template"] for each in made if each["kind"] == "Deployment")


def ports(file: str) -> set[str]:
    return {port["name"] for container in pod(file)["spec"]["containers"] for port in container["ports"]}


def test_pods_have_the_ports_and_the_label_by_which_they_are_found() -> None:
    web, daemons = prometheus(Scraping(instance="headframe", namespace="experiment"))["scrape_configs"]
    assert [each["regex"] for each in web["relabel_configs"] if each.get("action") == "keep"] == ["http", "web"]
    assert [each["regex"] for each in daemons["relabel_configs"] if each.get("action") == "keep"] == ["monitor"]
    assert ports("web.yaml") == {"http"} and ports("monitored.yaml") == {"monitor"}
    assert pod("web.yaml")["metadata"]["labels"]["app.kubernetes.io/name"] == "web"
