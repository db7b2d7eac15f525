"""For each rule of the policy, manifests that break it: one small change to what the overlays really say."""

from collections.abc import Callable
from typing import Any

from .manifests import Manifest, Manifests

Change = Callable[[Manifests], object]
WEB, CONDUCTOR = ("Deployment", "web"), ("Deployment", "conductor-live")


def pod(manifests: Manifests, kind: str = "Deployment", name: str = "web") -> Manifest:
    spec: Manifest = manifests.named(kind, name)["spec"]["template"]["spec"]
    return spec


def container(manifests: Manifests, kind: str = "Deployment", name: str = "web") -> Manifest:
    first: Manifest = pod(manifests, kind, name)["containers"][0]
    return first


def in_pod(path: str, value: Any, who: tuple[str, str] = WEB) -> Change:
    """Set a key in a workload's pod."""
    return lambda manifests: put(pod(manifests, *who), path, value)


def in_container(path: str, value: Any, who: tuple[str, str] = WEB) -> Change:
    """Set a key in a workload's container."""
    return lambda manifests: put(container(manifests, *who), path, value)


def in_manifest(kind: str, name: str, path: str, value: Any) -> Change:
    """Set a key in a manifest."""
    return lambda manifests: put(manifests.named(kind, name), path, value)


def put(where: Any, path: str, value: Any) -> None:
    """Set what a path such as `spec/ports/0/name` leads to (a key's own / is written |); None removes it."""
    *way, last = [int(word) if word.isdigit() else word.replace("|", "/") for word in path.split("/")]
    for word in way:
        where = where[word] if isinstance(where, list) else where.setdefault(word, {})
    if value is None:
        del where[last]
    else:
        where[last] = value


def more(path: str, value: Any, who: tuple[str, str] = WEB) -> Change:
    """Add to a list of a workload's pod."""
    return lambda manifests: pod(manifests, *who).setdefault(path, []).append(value)


def another(kind: str, name: str, **spec: Any) -> Change:
    """Add a manifest."""
    return lambda manifests: manifests.all.append({"kind": kind, "metadata": {"name": name}, "spec": spec})


def without(kind: str, name: str) -> Change:
    """Take a manifest away."""
    return lambda manifests: manifests.all.remove(manifests.named(kind, name))


def policy(selector: Manifest, **ways: Any) -> Change:
    """Add a network policy that lets something through."""
    types = [way.capitalize() for way in ways]
    return another("NetworkPolicy", "hole", podSelector=selector, policyTypes=types, **ways)


CONTEXT = "securityContext"
ANYWHERE = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}
NODE = {"name": "node", "hostPath": {"path": "/var/run"}}
ANY_POD = [{"podSelector": {}}]
SERVICE_SECRET = {"name": "more", "secret": {"secretName": "headframe-database-service", "defaultMode": 0o440}}
READABLE = {"name": "more", "secret": {"secretName": "headframe-database-web", "defaultMode": 0o444}}
INGRESS = {"rules": [{"host": "headframe.example.org"}]}

MUTATIONS: dict[str, tuple[Change, ...]] = {
    "no_part_of_the_host": (
        in_pod("hostNetwork", True),
        in_pod("hostPID", True),
        in_container("ports/0/hostPort", 8080),
        in_pod(f"{CONTEXT}/sysctls", [{"name": "net.core.somaxconn", "value": "1"}]),
    ),
    "only_tame_volumes": (
        more("volumes", NODE),
        more("volumes", {"name": "far", "nfs": {"server": "nfs", "path": "/"}}),
        in_pod("volumes/0", NODE, ("StatefulSet", "postgres")),
    ),
    "not_root": (
        in_pod(f"{CONTEXT}/runAsNonRoot", None),
        in_container(f"{CONTEXT}/runAsNonRoot", False),
        in_container(f"{CONTEXT}/runAsUser", 0),
        in_pod("initContainers/0/securityContext/runAsNonRoot", None),
    ),
    "no_more_rights": (
        in_container(f"{CONTEXT}/privileged", True),
        in_container(f"{CONTEXT}/allowPrivilegeEscalation", None),
        in_container(f"{CONTEXT}/capabilities/add", ["NET_BIND_SERVICE"]),
        in_container(f"{CONTEXT}/capabilities", None, ("StatefulSet", "rabbitmq")),
        in_pod("initContainers/0/securityContext/privileged", True),
    ),
    "filtered_calls": (
        in_pod(f"{CONTEXT}/seccompProfile", None),
        in_container(f"{CONTEXT}/seccompProfile", {"type": "Unconfined"}),
    ),
    "read_only_root": (
        in_container(f"{CONTEXT}/readOnlyRootFilesystem", False),
        in_container("volumeMounts", []),
        more("volumes", {"name": "more", "emptyDir": {}}),
    ),
    "sized": (
        in_container("resources/limits/memory", None),
        in_container("resources/requests/cpu", "3"),
        in_container("resources", {}, ("StatefulSet", "postgres")),
        in_pod("initContainers/0/resources", {}),
    ),
    "probed": (
        in_container("livenessProbe", None),
        in_container("startupProbe", None, CONDUCTOR),
        in_container("readinessProbe", None, ("StatefulSet", "rabbitmq")),
        in_container("livenessProbe/httpGet/path", "/readyz"),
        in_container("readinessProbe/httpGet/port", "elsewhere"),
        in_container("startupProbe/failureThreshold", 2),
        in_container("livenessProbe/failureThreshold", None),
        in_container("readinessProbe/timeoutSeconds", None, CONDUCTOR),
    ),
    "pinned": (
        in_container("image", "headframe"),
        in_container("image", "headframe:latest"),
        in_container("image", "registry.example.org:5000/headframe"),
        in_container("image", "headframe:stable"),
    ),
    "stops_gracefully": (
        in_pod("terminationGracePeriodSeconds", 10),
        in_container("lifecycle", None),
        in_container("lifecycle/preStop/exec/command", ["sleep", "25"]),
    ),
    "one_namespace": (
        another("ClusterRole", "all"),
        another("CustomResourceDefinition", "runs"),
        another("Secret", "password"),
        in_manifest("Service", "web", "metadata/namespace", "default"),
    ),
    "restricted_namespace": (
        in_manifest("Namespace", "headframe-dev", "metadata/labels", {}),
        in_manifest("Namespace", "headframe-dev", "metadata/labels/pod-security.kubernetes.io|enforce", "baseline"),
    ),
    "nobodys_token": (
        in_pod("automountServiceAccountToken", None),
        in_pod("serviceAccountName", "default"),
        in_pod("enableServiceLinks", True),
    ),
    "secrets_by_file": (
        lambda m: container(m)["env"].append({"name": "HEADFRAME_DATABASE__PASSWORD", "value": "x"}),
        lambda m: container(m)["env"].append({"name": "HIDDEN", "valueFrom": {"secretKeyRef": {"name": "a"}}}),
        in_container("envFrom", [{"secretRef": {"name": "a"}}]),
        more("volumes", READABLE),
    ),
    "few_secrets": (more("volumes", SERVICE_SECRET),),
    "budgeted": (
        without("PodDisruptionBudget", "web"),
        in_manifest("PodDisruptionBudget", "sweeper", "spec/maxUnavailable", 0),
        in_manifest("PodDisruptionBudget", "sweeper", "spec/selector/matchLabels", {"a": "b"}),
    ),
    "owns_what_it_writes": (
        in_pod(f"{CONTEXT}/fsGroup", 10001),
        in_pod(f"{CONTEXT}/fsGroupChangePolicy", "Always", ("StatefulSet", "postgres")),
        in_pod(f"{CONTEXT}/fsGroup", None, ("StatefulSet", "rabbitmq")),
        in_manifest("CronJob", "backup", "spec/jobTemplate/spec/template/spec/securityContext/fsGroup", None),
    ),
    "rolls": (
        in_manifest("Deployment", "web", "spec/strategy", {"type": "Recreate"}),
        lambda m: (put(m.named(*WEB), "spec/replicas", 2), put(pod(m), "topologySpreadConstraints", None)),
    ),
    "bounded_jobs": (
        in_manifest("Job", "prepare", "spec/activeDeadlineSeconds", None),
        in_manifest("Job", "prepare", "spec/backoffLimit", None),
        in_manifest("CronJob", "backup", "spec/concurrencyPolicy", "Allow"),
    ),
    "waits_for_schema": (
        in_pod("initContainers", []),
        in_pod("initContainers/0/args", ["--version"], ("Job", "prepare")),
    ),
    "things_named_are_there": (
        without("ServiceAccount", "headframe"),
        without("PersistentVolumeClaim", "headframe-backup"),
        in_pod("volumes", [{"name": "config", "configMap": {"name": "gone"}}]),
        in_manifest("Service", "web", "spec/selector", {"app.kubernetes.io/name": "gone"}),
        in_manifest("Service", "web", "spec/ports/0/targetPort", "gone"),
        in_manifest("Deployment", "web", "spec/selector/matchLabels", {"a": "b"}),
    ),
    "nothing_else_is_reached": (
        without("NetworkPolicy", "nothing-else"),
        without("NetworkPolicy", "to-database"),
        without("NetworkPolicy", "at-rabbitmq"),
        lambda m: [policy({}, egress=[{"to": ANY_POD}])(m), policy({}, ingress=[{"from": ANY_POD}])(m)],
        in_manifest("Deployment", "web", "spec/template/metadata/labels/headframe|broker", "yes"),
    ),
    "few_ways_out": (
        policy({}, egress=[{}]),
        policy({}, egress=[{"to": [ANYWHERE], "ports": [{"port": 443}]}]),
        policy({}, egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 5432}]}]),
        policy({}, egress=[{"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}], "ports": [{"port": 53}]}]),
    ),
    "few_ways_in": (
        policy({}, ingress=[{}]),
        policy({}, ingress=[{"from": [{"namespaceSelector": {}}], "ports": [{"port": 8080}]}]),
        in_manifest("NetworkPolicy", "to-web", "spec/ingress/0/ports/0/port", 9464),
    ),
    "names_are_found": (
        without("NetworkPolicy", "names"),
        in_manifest("NetworkPolicy", "names", "spec/podSelector", {"matchLabels": {"app.kubernetes.io/name": "web"}}),
        in_manifest("NetworkPolicy", "names", "spec/egress/0/ports/1", None),
        in_manifest("NetworkPolicy", "names", "spec/egress/0/ports/0/port", 5353),
    ),
    "comers_are_let_in": (
        without("NetworkPolicy", "to-web"),
        without("NetworkPolicy", "to-monitors"),
        in_manifest("NetworkPolicy", "to-web", "spec/ingress/0", None),
        in_manifest("NetworkPolicy", "to-monitors", "spec/ingress/0/ports/0/port", 8080),
        in_manifest("Deployment", "sweeper", "spec/template/metadata/labels/headframe|monitored", None),
    ),
    "served_by_tls": (
        another("Ingress", "open", **INGRESS),
        in_manifest("Service", "postgres", "spec/type", "LoadBalancer"),
    ),
}
