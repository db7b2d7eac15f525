"""What kustomize makes of k8s/, as Python sees it: manifests, and the pods in them wherever they stand."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..integration.tree import unless_ci

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
Manifest = dict[str, Any]
DAEMONS = ("Deployment", "StatefulSet")


@dataclass(frozen=True)
class Pod:
    """The pod of a workload: who makes it, with which labels, of what. `replicas` is 0 for jobs."""

    kind: str
    name: str
    labels: dict[str, str]
    spec: Manifest
    replicas: int = 0

    @property
    def lasts(self) -> bool:
        """Say whether it runs until it is told to stop."""
        return self.kind in DAEMONS


@dataclass
class Manifests:
    """All manifests of one overlay.

    `host_paths` are the folders of nodes that it may mount, read only. `given_ids`: the namespace gives user ids.
    """

    all: list[Manifest]
    host_paths: tuple[str, ...] = ()
    given_ids: bool = False

    def of(self, *kinds: str) -> Iterator[Manifest]:
        """Give those of these kinds."""
        return (each for each in self.all if each["kind"] in kinds)

    def named(self, kind: str, name: str) -> Manifest:
        """Give one. Raises `StopIteration` where there is none."""
        return next(each for each in self.of(kind) if each["metadata"]["name"] == name)

    def names(self, kind: str) -> set[str]:
        """Give the names of all of a kind."""
        return {each["metadata"]["name"] for each in self.of(kind)}

    def pods(self) -> Iterator[Pod]:
        """Give the pods of all workloads."""
        return (pod_of(each) for each in self.of(*DAEMONS, "Job", "CronJob", "DaemonSet", "ReplicaSet", "Pod"))

    def pod(self, name: str) -> Pod:
        """Give the pod of one workload."""
        return next(pod for pod in self.pods() if pod.name == name)


def pod_of(manifest: Manifest) -> Pod:
    """Find the pod in a workload."""
    kind, name, spec = manifest["kind"], manifest["metadata"]["name"], manifest["spec"]
    if kind == "Pod":
        return Pod(kind, name, manifest["metadata"].get("labels", {}), spec)
    template = (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]
    replicas = spec.get("replicas", 1) if kind in DAEMONS else 0
    return Pod(kind, name, template["metadata"].get("labels", {}), template["spec"], replicas)


def containers(pod: Pod) -> Iterator[Manifest]:
    """Give all containers of a pod, those before it too."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.spec.get(kind, [])


def build(folder: Path) -> str:
    """Have kustomize build a folder. Raises `CalledProcessError` with what it said."""
    if shutil.which("kubectl") is None:
        unless_ci("no kubectl here: `apt-get install kubernetes-client`")
    command = ["kubectl", "kustomize", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def load(text: str, host_paths: tuple[str, ...] = (), *, given_ids: bool = False) -> Manifests:
    """Read manifests."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Manifests([each for each in yaml.load_all(text, loader) if each], host_paths, given_ids)
