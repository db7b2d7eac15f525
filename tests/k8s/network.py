"""Rules on who reaches whom: what the network policies let through, worked out for every pair of pods and port."""

from collections.abc import Iterator

from .manifests import Manifest, Manifests, Pod

REACHES = {
    ("web", "postgres", 5432),
    ("conductor-live", "postgres", 5432),
    ("conductor-bulk", "postgres", 5432),
    ("sweeper", "postgres", 5432),
    ("watcher", "postgres", 5432),
    ("backup", "postgres", 5432),
    ("prepare", "postgres", 5432),
    ("conductor-live", "rabbitmq", 5672),
    ("conductor-bulk", "rabbitmq", 5672),
    ("sweeper", "rabbitmq", 5672),
    ("watcher", "rabbitmq", 5672),
    ("prepare", "rabbitmq", 5672),
    ("worker", "rabbitmq", 5672),
    ("prepare", "rabbitmq", 15672),
}
"""All that is let through between pods."""
OUT = {
    "web": {443, 5432},
    "sweeper": {25, 443, 465, 587, 5432, 5671},
    "conductor-live": {5432, 5671},
    "conductor-bulk": {5432, 5671},
    "watcher": {5432, 5671},
    "backup": {5432},
    "prepare": {5432, 5671, 15671},
}
"""Ports outside of the cluster that a pod may reach, where an overlay says so."""
IN = {"web": {8080}, "rabbitmq": {5671}}
"""Ports that others than our pods and Prometheus may reach."""
NAMES = {"kube-system": 53, "openshift-dns": 5353}
"""Where a cluster's name service runs, and at which port of its pods."""
NODE_CACHE = "169.254.20.10/32"
"""The one address of a node that a pod may reach: its cache of names."""
PROMETHEUS = {"monitoring", "openshift-user-workload-monitoring"}
PORTS = {5432, 5671, 5672, 8080, 9464, 15672}


def nothing_else_is_reached(manifests: Manifests) -> Iterator[str]:
    """Deny by default, and let each pod reach only the servers that it needs."""
    if not any(_denies_all(each) for each in manifests.of("NetworkPolicy")):
        yield "nothing is denied by default"
    pods = list(manifests.pods())
    there = {pod.name for pod in pods}
    let = {(a.name, b.name, port) for a in pods for b in pods for port in PORTS if passes(manifests, a, b, port)}
    yield from (f"{a} reaches {b} at {port}" for a, b, port in sorted(let - REACHES))
    needed = {each for each in REACHES if each[0] in there and each[1] in there}
    yield from (f"{a} does not reach {b} at {port}" for a, b, port in sorted(needed - let))


def few_ways_out(manifests: Manifests) -> Iterator[str]:
    """Let pods reach addresses outside only at the ports that their servers have, and never the node's own services."""
    for policy in manifests.of("NetworkPolicy"):
        chosen = [pod for pod in manifests.pods() if _matches(policy["spec"]["podSelector"], pod)]
        for rule in policy["spec"].get("egress", []):
            if not rule.get("ports") or not rule.get("to"):
                yield f"{policy['metadata']['name']}: anything, anywhere"
            for block in (peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer):
                ports = {port["port"] for port in rule.get("ports", [])} - (
                    {53} if block["cidr"] == NODE_CACHE else set()
                )
                yield from (
                    f"{p.name}: out at {ports - OUT.get(p.name, set())}"
                    for p in chosen
                    if ports - OUT.get(p.name, set())
                )
                if block["cidr"] == "0.0.0.0/0" and "169.254.0.0/16" not in block.get("except", []):
                    yield f"{policy['metadata']['name']}: reaches what only nodes should"


def few_ways_in(manifests: Manifests) -> Iterator[str]:
    """Let others in where people, workers and Prometheus come, and nowhere else."""
    for policy in manifests.of("NetworkPolicy"):
        chosen = [pod for pod in manifests.pods() if _matches(policy["spec"]["podSelector"], pod)]
        for rule in policy["spec"].get("ingress", []):
            if not rule.get("from") or not rule.get("ports"):
                yield f"{policy['metadata']['name']}: lets everybody in"
            for peer in rule.get("from", []):
                yield from _strangers(policy, peer, {port["port"] for port in rule.get("ports", [])}, chosen)


def _strangers(policy: Manifest, peer: Manifest, ports: set[int], chosen: list[Pod]) -> Iterator[str]:
    name = policy["metadata"]["name"]
    if "ipBlock" not in peer and "namespaceSelector" not in peer:
        return
    if peer.get("namespaceSelector") == {} or peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0":
        yield f"{name}: lets anybody in"
    for pod in chosen:
        allowed = IN.get(pod.name, set()) | ({8080, 9464} if _space(peer) in PROMETHEUS else set())
        if ports - allowed:
            yield f"{name}: others reach {pod.name} at {ports - allowed}"


def _space(peer: Manifest) -> str:
    labels: dict[str, str] = peer.get("namespaceSelector", {}).get("matchLabels", {})
    return labels.get("kubernetes.io/metadata.name", "")


def names_are_found(manifests: Manifests) -> Iterator[str]:
    """Let every pod ask the cluster's name service, in both ways that there are."""
    for pod in manifests.pods():
        asks = {
            port["protocol"]
            for rule in _rules(manifests, "Egress", pod)
            for peer in rule.get("to", [])
            for port in rule.get("ports", [])
            if port["port"] == NAMES.get(_space(peer))
        }
        if asks != {"UDP", "TCP"}:
            yield f"{pod.name}: asks for names by {sorted(asks)}"


def comers_are_let_in(manifests: Manifests) -> Iterator[str]:
    """Let Prometheus in wherever a process tells of itself, and the ingress where the pages are."""
    for pod in (each for each in manifests.pods() if each.lasts):
        for port in (port for each in pod.spec["containers"] for port in each.get("ports", [])):
            number, spaces = port["containerPort"], _spaces_at(manifests, pod, port["containerPort"])
            if port["name"] in ("http", "monitor") and not spaces & PROMETHEUS:
                yield f"{pod.name}: Prometheus does not reach {number}"
            if port["name"] == "http" and not spaces - PROMETHEUS:
                yield f"{pod.name}: no ingress reaches {number}"


def _spaces_at(manifests: Manifests, pod: Pod, number: int) -> set[str]:
    rules = [rule for rule in _rules(manifests, "Ingress", pod) if number in {each["port"] for each in rule["ports"]}]
    return {_space(peer) for rule in rules for peer in rule["from"] if "namespaceSelector" in peer}


def _rules(manifests: Manifests, way: str, pod: Pod) -> list[Manifest]:
    mine = [each["spec"] for each in manifests.of("NetworkPolicy") if _matches(each["spec"]["podSelector"], pod)]
    return [rule for each in mine for rule in each.get(way.lower(), [])]


def served_by_tls(manifests: Manifests) -> Iterator[str]:
    """Take people and workers in by TLS only."""
    for ingress in manifests.of("Ingress"):
        hosts = {rule.get("host") for rule in ingress["spec"]["rules"]}
        covered = {host for tls in ingress["spec"].get("tls", []) for host in tls["hosts"] if tls.get("secretName")}
        yield from (f"ingress {ingress['metadata']['name']}: {host} without TLS" for host in hosts - covered)
    for service in manifests.of("Service"):
        ports = {port["port"] for port in service["spec"]["ports"]}
        if service["spec"].get("type", "ClusterIP") != "ClusterIP" and ports != {5671}:
            yield f"service {service['metadata']['name']}: {ports} from outside"


def passes(manifests: Manifests, source: Pod, target: Pod, port: int) -> bool:
    """Say whether the policies let one pod reach another's port: both ends have to."""
    policies = [each["spec"] for each in manifests.of("NetworkPolicy")]
    return _lets(policies, "Egress", source, target, port) and _lets(policies, "Ingress", target, source, port)


def _lets(policies: list[Manifest], way: str, pod: Pod, other: Pod, port: int) -> bool:
    mine = [each for each in policies if way in each["policyTypes"] and _matches(each["podSelector"], pod)]
    peers = "to" if way == "Egress" else "from"
    rules = [rule for each in mine for rule in each.get(way.lower(), [])]
    return not mine or any(_rule_lets(rule, rule.get(peers), other, port) for rule in rules)


def _rule_lets(rule: Manifest, peers: list[Manifest] | None, other: Pod, port: int) -> bool:
    if rule.get("ports") and port not in {each["port"] for each in rule["ports"]}:
        return False
    return not peers or any(set(peer) == {"podSelector"} and _matches(peer["podSelector"], other) for peer in peers)


def _matches(selector: Manifest, pod: Pod) -> bool:
    return selector.get("matchLabels", {}).items() <= pod.labels.items()


def _denies_all(policy: Manifest) -> bool:
    spec = policy["spec"]
    silent = not spec.get("ingress") and not spec.get("egress")
    return spec["podSelector"] == {} and silent and set(spec["policyTypes"]) == {"Ingress", "Egress"}


RULES = (
    nothing_else_is_reached,
    few_ways_out,
    few_ways_in,
    names_are_found,
    comers_are_let_in,
    served_by_tls,
)
