"""Rules on what stands around the pods: kinds, names, secrets, budgets, roll-outs."""

from collections.abc import Iterator

from .manifests import Manifest, Manifests, Pod, containers

KINDS = {
    "ConfigMap", "CronJob", "Deployment", "Ingress", "Job", "Namespace", "NetworkPolicy", "PersistentVolumeClaim",
    "PodDisruptionBudget", "Service", "ServiceAccount", "StatefulSet",
}  # fmt: skip
"""Nothing that only an administrator of the cluster may make, but a namespace where it is one's own; and no secret."""
SECRETS = {
    "web": {"database-web", "sign-in"},
    "conductor-live": {"database-service", "broker-service"},
    "conductor-bulk": {"database-service", "broker-service"},
    "sweeper": {"database-service", "broker-service", "notices"},
    "watcher": {"database-watcher", "broker-watcher", "run-database"},
    "worker": {"broker-worker"},
    "backup": {"database-backup"},
    "prepare": {"database-owner", "broker-admin"},
    "rabbitmq": {"broker-definitions", "broker-tls"},
    "postgres": {
        f"database-{role}" for role in ("superuser", "owner", "service", "watcher", "web", "reader", "backup")
    },
}
"""Which secrets a pod may have, without `headframe-`."""


def one_namespace(manifests: Manifests) -> Iterator[str]:
    """Ask for nothing that belongs to the cluster, and stay in one namespace."""
    for each in manifests.all:
        if each["kind"] not in KINDS:
            yield f"{each['kind']} {each['metadata']['name']} is not for us to make"
    spaces = {each["metadata"].get("namespace") for each in manifests.all if each["kind"] != "Namespace"}
    if len(spaces) > 1:
        yield f"several namespaces: {spaces}"


def restricted_namespace(manifests: Manifests) -> Iterator[str]:
    """Have a namespace of one's own refuse whatever is not restricted."""
    for each in manifests.of("Namespace"):
        if each["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"namespace {each['metadata']['name']} lets any pod in"


def nobodys_token(manifests: Manifests) -> Iterator[str]:
    """Be nobody to Kubernetes, and be told nothing of what else runs there."""
    for pod in manifests.pods():
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name}: has a token of Kubernetes"
        if pod.spec.get("serviceAccountName") != "headframe":
            yield f"{pod.name}: runs as the default account"
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod.name}: is told of all services by its environment"


def secrets_by_file(manifests: Manifests) -> Iterator[str]:
    """Keep secrets out of manifests and environments: only files of them, which not everybody may read."""
    for pod in manifests.pods():
        for container in containers(pod):
            if container.get("envFrom"):
                yield f"{pod.name}/{container['name']}: takes its environment from elsewhere"
            yield from (f"{pod.name}: {said}" for each in container.get("env", []) if (said := _told(each)))
        for volume in pod.spec.get("volumes", []):
            if "secret" in volume and volume["secret"].get("defaultMode", 0o644) & 0o7:
                yield f"{pod.name}: everybody may read {volume['name']}"


def _told(variable: Manifest) -> str:
    name = variable["name"]
    if "secretKeyRef" in variable.get("valueFrom", {}):
        return f"{name} holds a secret"
    secret = any(word in name for word in ("PASSWORD", "SECRET", "TOKEN", "KEY"))
    return f"{name} holds a secret" if secret and not name.endswith("_FILE") else ""


def few_secrets(manifests: Manifests) -> Iterator[str]:
    """Give each pod the secrets of its own role, and no other's."""
    for pod in manifests.pods():
        mounted = {volume["secret"]["secretName"] for volume in pod.spec.get("volumes", []) if "secret" in volume}
        allowed = {f"headframe-{name}" for name in SECRETS.get(pod.name, set())}
        yield from (f"{pod.name}: has no business with {name}" for name in sorted(mounted - allowed))


def budgeted(manifests: Manifests) -> Iterator[str]:
    """Let nodes be drained one after the other: whatever is away for a minute, the others wait for it."""
    budgets = {each["metadata"]["name"]: each["spec"] for each in manifests.of("PodDisruptionBudget")}
    for pod in (each for each in manifests.pods() if each.lasts):
        budget = budgets.get(pod.name)
        if budget is None or not chooses(budget["selector"]["matchLabels"], pod):
            yield f"{pod.name}: no disruption budget"
        elif budget.get("maxUnavailable") != 1:
            yield f"{pod.name}: its disruption budget is {budget}"


def owns_what_it_writes(manifests: Manifests) -> Iterator[str]:
    """Be able to write to a volume that is new and root's; and hand none over file by file at each start."""
    for pod in manifests.pods():
        context = pod.spec.get("securityContext", {})
        if "fsGroup" in context and context.get("fsGroupChangePolicy") != "OnRootMismatch":
            yield f"{pod.name}: the group of all files on its volumes is changed at each start"
        if "fsGroup" not in context and not manifests.given_ids and _writes(pod):
            yield f"{pod.name}: a new volume is root's, and it may not write to it"


def _writes(pod: Pod) -> bool:
    volumes = pod.spec.get("volumes", [])
    others = {each["name"] for each in volumes if "persistentVolumeClaim" not in each}
    mounts = [each for container in containers(pod) for each in container.get("volumeMounts", [])]
    return any(not each.get("readOnly") and each["name"] not in others for each in mounts)


def rolls(manifests: Manifests) -> Iterator[str]:
    """Begin the new pod before the old one goes, and have two on different nodes."""
    for each in manifests.of("Deployment"):
        name, spec = each["metadata"]["name"], each["spec"]
        if name != "worker" and spec.get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{name}: is away while it is updated"
        if spec.get("replicas", 1) > 1 and not spec["template"]["spec"].get("topologySpreadConstraints"):
            yield f"{name}: all of it may stand on one node"


def bounded_jobs(manifests: Manifests) -> Iterator[str]:
    """End jobs that hang, and never run two backups at once."""
    for each in manifests.of("Job", "CronJob"):
        spec = each["spec"]
        job = spec["jobTemplate"]["spec"] if each["kind"] == "CronJob" else spec
        if not job.get("activeDeadlineSeconds") or "backoffLimit" not in job:
            yield f"{each['metadata']['name']}: may go on for ever"
        if each["kind"] == "CronJob" and spec.get("concurrencyPolicy") != "Forbid":
            yield f"{each['metadata']['name']}: may run twice at once"


def waits_for_schema(manifests: Manifests) -> Iterator[str]:
    """Begin no process that uses the database before the schema fits; one job brings it there."""
    for pod in manifests.pods():
        if pod.kind != "Deployment" or pod.labels.get("headframe/database") != "yes":
            continue
        first = [each.get("args") for each in pod.spec.get("initContainers", [])][:1]
        if first != [["db", "check", "--wait"]]:
            yield f"{pod.name}: does not wait for the schema"
    if ["db", "upgrade"] not in [each.get("args") for each in containers(manifests.pod("prepare"))]:
        yield "prepare: does not bring the schema up to date"


def things_named_are_there(manifests: Manifests) -> Iterator[str]:
    """Refer to nothing that is missing: claims, configurations, accounts, and pods behind selectors and services."""
    pods = list(manifests.pods())
    for pod in pods:
        if pod.spec.get("serviceAccountName", "headframe") not in manifests.names("ServiceAccount"):
            yield f"{pod.name}: its account is missing"
        for volume in pod.spec.get("volumes", []):
            yield from _missing(manifests, pod, volume)
    for each in manifests.of(*("Deployment", "StatefulSet")):
        pod = manifests.pod(each["metadata"]["name"])
        if not chooses(each["spec"]["selector"]["matchLabels"], pod):
            yield f"{pod.name}: does not choose its own pods"
    for each in manifests.of("Service"):
        yield from _served(each, pods)


def _missing(manifests: Manifests, pod: Pod, volume: Manifest) -> Iterator[str]:
    claim = volume.get("persistentVolumeClaim", {}).get("claimName")
    if claim and claim not in manifests.names("PersistentVolumeClaim"):
        yield f"{pod.name}: there is no volume {claim}"
    config = volume.get("configMap", {}).get("name")
    if config and config not in manifests.names("ConfigMap"):
        yield f"{pod.name}: there is no configuration {config}"


def _served(service: Manifest, pods: list[Pod]) -> Iterator[str]:
    name = service["metadata"]["name"]
    behind = [pod for pod in pods if chooses(service["spec"]["selector"], pod)]
    if not behind:
        yield f"service {name}: nobody is behind it"
    for pod in behind:
        open_ports = {port.get("name") for each in pod.spec["containers"] for port in each.get("ports", [])}
        yield from (f"service {name}: no port {p}" for p in _ports(service) if p not in open_ports)


def _ports(service: Manifest) -> list[str]:
    return [port["targetPort"] for port in service["spec"]["ports"]]


def chooses(labels: dict[str, str], pod: Pod) -> bool:
    """Say whether a selector's labels are a pod's."""
    return labels.items() <= pod.labels.items()


RULES = (
    one_namespace,
    restricted_namespace,
    nobodys_token,
    secrets_by_file,
    few_secrets,
    budgeted,
    owns_what_it_writes,
    rolls,
    bounded_jobs,
    waits_for_schema,
    things_named_are_there,
)
