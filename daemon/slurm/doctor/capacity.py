"""What a cluster has, against what a pilot asks for: partitions, their limits, nodes that are large enough and up."""

from collections.abc import Iterator, Sequence

from ....statemachine.wording import plural
from ...config.launching import PilotConfig
from ...finding import Finding
from ..contract import Node, Partition
from ..script import Request, request, walltime

GIB = 1 << 30


def partition_findings(name: str, pilot: PilotConfig, partitions: Sequence[Partition]) -> Iterator[Finding]:
    """Look at the partitions that a pilot names; the cluster's default is known to the trial only."""
    what = f"pilot {name}: partition"
    if not pilot.partition:
        yield Finding("ok", what, "none is named, so the cluster's default; its limits show in the trial")
        return
    known = {partition.name: partition for partition in partitions}
    for wanted in pilot.partition.split(","):
        if wanted not in known:
            there = ", ".join(sorted(known)) or "none"
            todo = f"mend pilot.{name}.partition"
            yield Finding("fail", what, f"there is no partition {wanted} that you may see; there are: {there}", todo)
        elif not known[wanted].usable:
            todo = "wait, ask the cluster's administrators, or name another one"
            yield Finding("fail", what, f"{wanted} is {known[wanted].state}: nothing starts there", todo)
        else:
            yield from _limits(what, name, pilot, known[wanted])


def _limits(what: str, name: str, pilot: PilotConfig, partition: Partition) -> Iterator[Finding]:
    wrong = list(_over(name, pilot, partition, large=False))
    yield from (Finding("fail", what, sentence, todo) for sentence, todo in wrong)
    if wrong:
        return
    over = list(_over(name, pilot, partition, large=True))
    yield from (Finding("warn", what, f"{sentence}, so large pilots cannot be had", todo) for sentence, todo in over)
    if not over:
        longest = f"jobs may run for {walltime(partition.walltime_s)}" if partition.walltime_s else "no limit of time"
        yield Finding("ok", what, f"{partition.name} is {partition.state}; {longest}")


def _over(name: str, pilot: PilotConfig, partition: Partition, *, large: bool) -> Iterator[tuple[str, str]]:
    asked, key = request(pilot, large=large), f"pilot.{name}.large" if large else f"pilot.{name}"
    if partition.walltime_s and asked.walltime_s > partition.walltime_s:
        most = walltime(partition.walltime_s)
        yield (
            f"{walltime(asked.walltime_s)} of walltime is more than {partition.name} allows, {most}",
            f"lower {key}" if large else f'set {key}.walltime = "{most}" or less',
        )
    if partition.memory_per_node and asked.memory > partition.memory_per_node:
        yield (
            f"{gib(asked.memory)} a node is more than {partition.name} allows, {gib(partition.memory_per_node)}",
            f"lower {key}" if large else f"lower {key}.memory",
        )


def node_findings(name: str, pilot: PilotConfig, nodes: Sequence[Node], where: str) -> Iterator[Finding]:
    """Look whether nodes (those of the partition or reservation) have what a pilot asks for, and are up."""
    what, asked = f"pilot {name}: nodes", request(pilot)
    if not nodes:
        yield Finding("fail", what, f"{where} has no nodes that you may see", "name another one, or ask for nodes")
        return
    fitting = [node for node in nodes if fits(node, asked)]
    if len(fitting) < pilot.nodes:
        yield _too_small(what, name, pilot, nodes, where)
        return
    up = [node for node in fitting if node.usable]
    if len(up) < pilot.nodes:
        yield _down(what, pilot, [node for node in fitting if not node.usable], where)
        return
    yield _room(what, name, pilot, up, asked, f"{len(up)} of {plural(len(nodes), 'node')} of {where}")


def fits(node: Node, asked: Request) -> bool:
    """Say whether a node has what is asked for; what it does not tell of itself is taken for enough."""
    return (not node.cpus or node.cpus >= asked.cores) and (not node.memory or node.memory >= asked.memory)


def _too_small(what: str, name: str, pilot: PilotConfig, nodes: Sequence[Node], where: str) -> Finding:
    asked = request(pilot)
    memory = f" and {gib(asked.memory)}" if asked.memory else ""
    largest = max(nodes, key=lambda node: (node.memory, node.cpus))
    has = f"{largest.name} has {plural(largest.cpus, 'core')} and {gib(largest.memory)}"
    wanted = f"{plural(pilot.nodes, 'node')} with {plural(asked.cores, 'core')}{memory}"
    todo = f"lower pilot.{name}.cores, .memory or .nodes, or name another partition"
    return Finding("fail", what, f"{where} does not have {wanted}; its largest, {has}", todo)


def _down(what: str, pilot: PilotConfig, down: Sequence[Node], where: str) -> Finding:
    one = down[0]
    reason = f", {one.reason}" if one.reason else ""
    sentence = f"fewer than {plural(pilot.nodes, 'node')} of {where} can start jobs (such as {one.name}: {one.state}"
    return Finding("warn", what, f"{sentence}{reason}): pilots wait", "wait, or ask the cluster's administrators")


def _room(what: str, name: str, pilot: PilotConfig, up: Sequence[Node], asked: Request, of: str) -> Finding:
    """Say how many pilots find room at once; more of them than that only wait."""
    room = sum(_on(node, pilot, asked) for node in up) // pilot.nodes
    if pilot.max > room:
        todo = f"lower pilot.{name}.max, or let them wait: max_pending is {pilot.max_pending}"
        return Finding("warn", what, f"max is {pilot.max}, but {of} have room for {plural(room, 'pilot')}", todo)
    return Finding("ok", what, f"{of} can take it")


def _on(node: Node, pilot: PilotConfig, asked: Request) -> int:
    if pilot.exclusive:
        return 1
    by_cores = node.cpus // max(asked.cores, 1) if node.cpus else 1
    by_memory = node.memory // asked.memory if asked.memory and node.memory else by_cores
    return max(1, min(by_cores, by_memory))


def gib(amount: int) -> str:
    """Write an amount of memory, in GiB."""
    return f"{amount / GIB:,.1f} GiB"
