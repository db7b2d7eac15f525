"""What the pods start: commands that there are, with a configuration that each process accepts as it gets it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headframe.daemon.cli.main import cli
from headframe.daemon.config import load as load_config
from headframe.web.api import arrivals, launchers

from .manifests import Manifest, Manifests, Pod, containers
from .test_policy import assembled, faults, manifests

OVERLAYS = ("dev", "spin")
TRACED = """
resources: [BASE/base]
components: [BASE/components/postgres, BASE/components/rabbitmq, BASE/components/sites, BASE/components/tracing]
"""


def ours(found: Manifests) -> Iterator[tuple[Pod, Manifest]]:
    """Give the containers that run headframe."""
    for pod in found.pods():
        yield from ((pod, each) for each in containers(pod) if "headframe" in each["image"])


def environment(found: Manifests, container: Manifest) -> dict[str, str]:
    """Give a container's environment as Kubernetes would make it."""
    made: dict[str, str] = {}
    for each in container.get("env", []):
        source = each.get("valueFrom", {}).get("configMapKeyRef")
        value = found.named("ConfigMap", source["name"])["data"][source["key"]] if source else each["value"]
        made[each["name"]] = re.sub(r"\$\((\w+)\)", lambda match: made[match[1]], value)
    return made


def configuration(found: Manifests) -> str:
    """Give the text of headframe.toml."""
    maps = [each for each in found.of("ConfigMap") if "headframe.toml" in each["data"]]
    assert len(maps) == 1
    text: str = maps[0]["data"]["headframe.toml"]
    return text


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_process_accepts_its_configuration(name: str, tmp_path: Path) -> None:
    pytest.importorskip("headframe.daemon.monitor", reason="[monitor] is not there yet")
    found = manifests(name)
    path = tmp_path / "headframe.toml"
    path.write_text(configuration(found))
    for pod, container in ours(found):
        config = load_config(path, environment(found, container))
        if pod.labels.get("headframe/database"):
            assert config.database.url.startswith("postgresql://") or container["args"][0] == "broker"
        if pod.labels.get("headframe/broker") and container["name"] == "headframe":
            assert config.broker.url.startswith("amqp")
            assert config.broker.user.startswith("headframe_")


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_command_is_one_that_there_is(name: str) -> None:
    for _, container in ours(manifests(name)):
        words = container["args"]
        assert cli.main([*words, "--help"], standalone_mode=False) in (0, None), words


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_path_of_the_configuration_is_mounted_where_it_is_needed(name: str) -> None:
    found = manifests(name)
    table = tomllib.loads(configuration(found))
    for pod, container in ours(found):
        mounts = {each["mountPath"] for each in container.get("volumeMounts", [])}
        wanted = set() if container["name"] != "headframe" else {"/etc/headframe"}
        if pod.name in ("watcher", "sweeper", "worker") and container["name"] == "headframe":
            wanted |= {site["path"] for site in table["site"].values()}
        for variable, value in environment(found, container).items():
            if variable.endswith("_FILE"):
                wanted.add(value.rpartition("/")[0])
        assert wanted <= mounts, pod.name


def test_traces_go_where_the_sweeper_and_nobody_else_may_reach_the_collector(tmp_path: Path) -> None:
    found = assembled(tmp_path, TRACED)
    assert faults(found) == []
    path = tmp_path / "headframe.toml"
    path.write_text(configuration(found))
    for pod, container in ours(found):
        port = urlsplit(load_config(path, environment(found, container)).tracing.endpoint).port
        assert port == (4318 if (pod.name, container["name"]) == ("sweeper", "headframe") else None), pod.name
    (policy,) = (each["spec"] for each in found.of("NetworkPolicy") if "4318" in str(each))
    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "sweeper"}
    assert [each["port"] for rule in policy["egress"] for each in rule["ports"]] == [4318]


@pytest.mark.parametrize("name", OVERLAYS)
def test_ports_are_the_configured_ones(name: str) -> None:
    found = manifests(name)
    table = tomllib.loads(configuration(found))
    for pod, container in ours(found):
        for port in container.get("ports", []):
            wanted = table["web"]["port"] if port["name"] == "http" else table["monitor"]["port"]
            assert port["containerPort"] == wanted, pod.name


def test_the_ingress_lets_the_longest_call_pass() -> None:
    (ingress,) = manifests("spin").of("Ingress")
    size = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert size.endswith("m")
    assert int(size[:-1]) << 20 >= max(arrivals.LARGEST_BODY, launchers.LARGEST_BODY)
