"""The processes of k8s/overlays/dev, as the manifests start them: commands, environments, users, on real servers."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from urllib import request

import psycopg2
import pytest
from sqlalchemy import make_url

from headframe.consumers.broker.connect import vhost_of

from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer, Process, free_ports, wait_until
from .manifests import Manifest, Manifests, containers
from .test_configured import configuration, environment
from .test_policy import manifests
from .test_users import made, roles, users

__all__ = ["made", "roles", "users"]
pytestmark = pytest.mark.long
Secrets = dict[str, dict[str, str]]


class Cluster:
    """What stands in for Kubernetes: mounts are folders, services are ports."""

    def __init__(
        self, folder: Path, found: Manifests, secrets: dict[str, dict[str, str]], servers: dict[str, str]
    ) -> None:
        self.folder, self.found, self.servers = folder, found, servers
        for name, values in secrets.items():
            (folder / name).mkdir()
            for key, value in values.items():
                (folder / name / key).write_text(value)
        for site in ("inbox", "work"):
            (folder / "sites" / site).mkdir(parents=True)
        self.config = folder / "headframe.toml"
        text = configuration(found).replace("/sites/", f"{folder}/sites/").replace('"0.0.0.0"', '"127.0.0.1"')
        self.config.write_text(text)
        found.named("ConfigMap", "headframe-servers")["data"].update(servers)
        self.running: dict[str, Process] = {}
        self.ports: dict[str, int] = {}

    def variables(self, pod: str, container: Manifest) -> dict[str, str]:
        """Give a container's environment, with the paths of secrets as they are here."""
        mounted = {}
        volumes = {each["name"]: each.get("secret", {}) for each in self.found.pod(pod).spec["volumes"]}
        for mount in container.get("volumeMounts", []):
            mounted[mount["mountPath"]] = volumes[mount["name"]].get("secretName", "")
        said = environment(self.found, container)
        for name, value in said.items():
            folder, _, file = value.rpartition("/")
            if name.endswith("_FILE"):
                said[name] = str(self.folder / mounted[folder] / file)
        return {**os.environ, **said}

    def run(self, pod: str) -> None:
        """Run a job's containers, one after the other."""
        for container in containers(self.found.pod(pod)):
            command, variables = self._command(container), self.variables(pod, container)
            done = subprocess.run(command, check=False, env=variables, capture_output=True, text=True, timeout=180)
            assert done.returncode == 0, f"{pod}/{container['name']}: {done.stdout}{done.stderr}"

    def start(self, pod: str) -> None:
        """Start what a deployment keeps; the container before it has to have let it."""
        first, container = (self.found.pod(pod).spec.get("initContainers") or [None])[0], self._main(pod)
        if first is not None:
            done = subprocess.run(self._command(first), check=False, env=self.variables(pod, first), timeout=120)
            assert done.returncode == 0
        (self.ports[pod],) = free_ports(1)
        key = "HEADFRAME_WEB__PORT" if pod == "web" else "HEADFRAME_MONITOR__PORT"
        off = {"HEADFRAME_MONITOR__PORT": "0"} if pod == "web" else {}
        variables = {**self.variables(pod, container), **off, key: str(self.ports[pod])}
        log = self.folder / f"{pod}.log"
        self.running[pod] = Process(self._command(container), variables, log, self.folder)

    def ready(self, pod: str) -> bool:
        """Ask as the readiness probe does."""
        assert self.running[pod].running()
        probe = self._main(pod)["readinessProbe"]["httpGet"]["path"]
        try:
            request.urlopen(f"http://127.0.0.1:{self.ports[pod]}{probe}", timeout=5).close()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def stop(self) -> None:
        """End all of them as Kubernetes would."""
        for process in self.running.values():
            process.end(signal.SIGTERM)

    def _main(self, pod: str) -> Manifest:
        first: Manifest = self.found.pod(pod).spec["containers"][0]
        return first

    def _command(self, container: Manifest) -> list[str]:
        return [sys.executable, "-m", "headframe", "--config", str(self.config), *container["args"]]


@pytest.fixture
def cluster(
    tmp_path: Path, postgres: PostgresServer, users: RabbitServer, roles: str, made: Secrets
) -> Iterator[Cluster]:
    url = make_url(postgres.url)
    servers = {
        "database": f"{url.host}:{url.port}/headframe",
        "broker": users.url,
        "management": f"http://127.0.0.1:{users.api_port}",
    }
    assert vhost_of(users.url) == "/"
    started = Cluster(tmp_path, manifests("dev"), made, servers)
    yield started
    started.stop()


def test_the_whole_system_works_as_its_manifests_start_it(cluster: Cluster, roles: str, made: Secrets) -> None:
    cluster.run("prepare")
    pods = [pod.name for pod in cluster.found.pods() if pod.kind == "Deployment"]
    for name in pods:
        cluster.start(name)
    for name in pods:
        wait_until(lambda name=name: cluster.ready(name), 120, f"{name} is ready")  # type: ignore[misc]
    (cluster.folder / "sites" / "inbox" / "science_7_1.dat").write_bytes(b"raw")
    password = made["headframe-database-reader"]["password"]

    def done() -> bool:
        assert all(process.running() for process in cluster.running.values())
        with psycopg2.connect(roles, user="headframe_reader", password=password) as connection:
            cursor = connection.cursor()
            cursor.execute("select state, phase from headframe.item where scope = 'file'")
            return cursor.fetchall() == [("cataloged", "done")]

    wait_until(done, 180, "a file went through")
    backed_up = cluster.folder / "backup"
    container = cluster.found.pod("backup").spec["containers"][0]
    container["args"] = [str(backed_up) if word == "/backup" else word for word in container["args"]]
    cluster.run("backup")
    assert json.loads(next(backed_up.glob("*.json")).read_text())
    cluster.stop()
    refused = [name for name in pods if "permission denied" in (cluster.folder / f"{name}.log").read_text()]
    assert refused == []
