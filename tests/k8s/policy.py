"""What every manifest has to keep to. A rule gives a sentence for each thing that breaks it; nothing where all is well.

`RULES` is all of them. For each one, mutations.py breaks a manifest, and the rule has to say so.
"""

from collections.abc import Callable, Iterator

from . import network, services
from .manifests import Manifest, Manifests, Pod, containers

Rule = Callable[[Manifests], Iterator[str]]
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
RESOURCES = ("cpu", "memory", "ephemeral-storage")
UNITS = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "": 1}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
PATIENCE_S = 60
"""So long a process may take to begin, or its loops may stand still on a busy node, before it is started anew."""
STOP_S = 10
"""Every process of ours is gone so long after SIGTERM."""


def no_part_of_the_host(manifests: Manifests) -> Iterator[str]:
    """Share no name space, port or kernel setting with the node."""
    for pod in manifests.pods():
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(key):
                yield f"{pod.name}: {key}"
        if pod.spec.get("securityContext", {}).get("sysctls"):
            yield f"{pod.name}: sysctls"
        for container in containers(pod):
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{pod.name}/{container['name']}: a port of the node"


def only_tame_volumes(manifests: Manifests) -> Iterator[str]:
    """Mount nothing of a node, but the file systems that an overlay names, whole folders and read only."""
    for pod in manifests.pods():
        for volume in pod.spec.get("volumes", []):
            kinds = set(volume) - {"name"}
            if kinds == {"hostPath"}:
                yield from _host_path(manifests, pod, volume)
            elif len(kinds) != 1 or not kinds <= VOLUMES:
                yield f"{pod.name}: volume {volume['name']} is of {sorted(kinds)}"


def _host_path(manifests: Manifests, pod: Pod, volume: Manifest) -> Iterator[str]:
    path = volume["hostPath"]["path"]
    if not path.startswith(manifests.host_paths or "-") or ".." in path:
        yield f"{pod.name}: mounts {path} of its node"
    mounts = [each for container in containers(pod) for each in container.get("volumeMounts", [])]
    if not all(each.get("readOnly") for each in mounts if each["name"] == volume["name"]):
        yield f"{pod.name}: may write to {path} of its node"


def not_root(manifests: Manifests) -> Iterator[str]:
    """Run as anybody but root, and say so for the pod and each container."""
    for pod in manifests.pods():
        contexts = {"the pod": pod.spec, **{each["name"]: each for each in containers(pod)}}
        for name, holder in contexts.items():
            context = holder.get("securityContext", {})
            if context.get("runAsNonRoot") is not True:
                yield f"{pod.name}: {name} may be root"
            if 0 in (context.get("runAsUser"), *context.get("supplementalGroups", [])):
                yield f"{pod.name}: {name} is root"


def no_more_rights(manifests: Manifests) -> Iterator[str]:
    """Have no capability, and no way to one."""
    for pod, container, context in _contexts(manifests):
        where = f"{pod.name}/{container['name']}"
        if context.get("privileged") or context.get("procMount", "Default") != "Default":
            yield f"{where}: privileged"
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{where}: may get more rights"
        if context.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{where}: keeps capabilities"


def filtered_calls(manifests: Manifests) -> Iterator[str]:
    """Leave the runtime's filter of system calls on."""
    for pod in manifests.pods():
        if pod.spec.get("securityContext", {}).get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{pod.name}: no seccomp profile"
        for container in containers(pod):
            if container.get("securityContext", {}).get("seccompProfile", {}).get("type") == "Unconfined":
                yield f"{pod.name}/{container['name']}: seccomp is off"


def read_only_root(manifests: Manifests) -> Iterator[str]:
    """Write nowhere but to volumes; those of a pod's own have a size, and /tmp is one of them."""
    for pod, container, context in _contexts(manifests):
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{pod.name}/{container['name']}: may write to its image"
        if not any(each["mountPath"] == "/tmp" for each in container.get("volumeMounts", [])):
            yield f"{pod.name}/{container['name']}: has no /tmp"
    for pod in manifests.pods():
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
                yield f"{pod.name}: {volume['name']} may fill the node"


def sized(manifests: Manifests) -> Iterator[str]:
    """Say what each container needs and may take, of each resource."""
    for pod in manifests.pods():
        for container in containers(pod):
            resources = container.get("resources", {})
            asked, limited = resources.get("requests", {}), resources.get("limits", {})
            for name in RESOURCES:
                if name not in asked or name not in limited:
                    yield f"{pod.name}/{container['name']}: no {name}"
                elif amount(asked[name]) > amount(limited[name]):
                    yield f"{pod.name}/{container['name']}: asks for more {name} than it may have"


def probed(manifests: Manifests) -> Iterator[str]:
    """Ask each lasting container three things; whether it lives is not whether its servers do."""
    for pod in manifests.pods():
        for container in pod.spec["containers"] if pod.lasts else []:
            where = f"{pod.name}/{container['name']}"
            yield from (f"{where}: no {probe}" for probe in PROBES if not container.get(probe))
            for probe in PROBES:
                yield from _answers(where, container, probe)
            yield from _hasty(where, container)


def _answers(where: str, container: Manifest, probe: str) -> Iterator[str]:
    asked = container.get(probe, {})
    ports = {port["name"] for port in container.get("ports", [])}
    for how in ("httpGet", "tcpSocket"):
        if how in asked and asked[how]["port"] not in ports:
            yield f"{where}: {probe} asks a port that is not there"
    path = asked.get("httpGet", {}).get("path")
    if path and path != ("/readyz" if probe == "readinessProbe" else "/livez"):
        yield f"{where}: {probe} asks {path}"


def _hasty(where: str, container: Manifest) -> Iterator[str]:
    for probe in (name for name in PROBES if container.get(name)):
        asked = container[probe]
        if asked.get("timeoutSeconds", 1) < 2:
            yield f"{where}: {probe} waits for no answer on a busy node"
        patience = asked.get("periodSeconds", 10) * asked.get("failureThreshold", 3)
        if probe != "readinessProbe" and patience < PATIENCE_S:
            yield f"{where}: {probe} gives up after {patience} s"


def pinned(manifests: Manifests) -> Iterator[str]:
    """Name a version of each image, best by its digest; never the latest."""
    for pod in manifests.pods():
        for container in containers(pod):
            image = container["image"]
            tag = image.rpartition("/")[2].partition(":")[2]
            if "@sha256:" not in image and (not tag or tag == "latest" or not any(map(str.isdigit, tag))):
                yield f"{pod.name}/{container['name']}: {image} may be anything tomorrow"
            if container.get("imagePullPolicy", "IfNotPresent") == "Never":
                yield f"{pod.name}/{container['name']}: its image is never pulled"


def stops_gracefully(manifests: Manifests) -> Iterator[str]:
    """Leave time to stop: what comes before SIGTERM, ten seconds, and some for a slow node."""
    for pod in manifests.pods():
        grace = pod.spec.get("terminationGracePeriodSeconds", 0)
        for container in pod.spec["containers"]:
            before = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
            waits = int(before[1]) if before[:1] == ["sleep"] else 0
            if grace < waits + 2 * STOP_S:
                yield f"{pod.name}: {grace} s are too short to stop"
            if pod.name == "web" and not waits:
                yield "web: goes before the ingress has heard of it"


def _contexts(manifests: Manifests) -> Iterator[tuple[Pod, Manifest, Manifest]]:
    for pod in manifests.pods():
        for container in containers(pod):
            yield pod, container, container.get("securityContext", {})


def amount(quantity: str | int) -> float:
    """Give a quantity of Kubernetes as a number: `250m`, `64Mi`, `2`."""
    text = str(quantity)
    digits = text.rstrip("KMGim")
    return float(digits) * UNITS[text[len(digits) :]]


RULES: tuple[Rule, ...] = (
    no_part_of_the_host,
    only_tame_volumes,
    not_root,
    no_more_rights,
    filtered_calls,
    read_only_root,
    sized,
    probed,
    pinned,
    stops_gracefully,
    *services.RULES,
    *network.RULES,
)
