"""All that can be looked at from the node on which the launcher runs, one finding a line."""

import getpass
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from ....statemachine.records import Record
from ...config import Config
from ...config.launching import PilotConfig
from ...finding import Finding
from ..contract import Batch, Node, Partition, Reservation
from . import policy as accounting
from .back_end import back_end_findings
from .capacity import node_findings, partition_findings
from .files import configuration_findings, limit_findings, log_findings, token_findings
from .hostlist import expand
from .patience import findings
from .reservation import reservation_findings
from .service import service_findings
from .trial import trial_findings

T = TypeVar("T")


class Cluster(Record):
    """What the batch system says of itself, asked once."""

    user: str
    nodes: tuple[Node, ...] = ()
    partitions: tuple[Partition, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    policy: accounting.Policy | None = None


def examine(
    config: Config, names: Sequence[str], choose: Callable[[], tuple[Batch, str]], environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Look at everything for pilots of these names; `choose` gives the back end, and why it is that one."""
    if not names:
        yield Finding("fail", "pilots", "none is configured", "write a [pilot.<name>]; docs/slurm.md has an example")
    yield from findings("logs", lambda: log_findings(config), "is its file system there?")
    yield from findings("pilots' configuration", lambda: configuration_findings(config, environ))
    yield from findings("limits", limit_findings)
    yield from findings("token", lambda: token_findings(config))
    yield from findings("REST API", lambda: service_findings(config))
    kept: list[Batch] = []

    def back_end() -> Iterator[Finding]:
        batch, why = choose()
        yield from back_end_findings(batch, why)
        kept.append(batch)

    yield from findings("back end", back_end)
    if kept:
        yield from _pilots(config, names, kept[0])


def _pilots(config: Config, names: Sequence[str], batch: Batch) -> Iterator[Finding]:
    found: list[Cluster] = []
    wrong = findings("cluster", lambda: found.append(_cluster(batch)) or ())  # type: ignore[func-returns-value]
    yield from wrong
    for name in names:
        pilot = config.pilots[name]
        if found and batch.name != "local":
            yield from _pilot(name, pilot, found[0])

        def trial(name: str = name) -> Iterator[Finding]:
            return trial_findings(config, name, batch)

        yield from findings(f"pilot {name}: trial", trial)


def _cluster(batch: Batch) -> Cluster:
    user = getpass.getuser()
    return Cluster(
        user=user,
        nodes=tuple(batch.nodes()),
        partitions=tuple(batch.partitions()),
        reservations=tuple(batch.reservations()),
        policy=accounting.look_up(user) if batch.name != "local" else None,
    )


def _pilot(name: str, pilot: PilotConfig, cluster: Cluster) -> Iterator[Finding]:
    now = datetime.now(UTC)
    partition = list(partition_findings(name, pilot, cluster.partitions))
    yield from partition
    reservation = list(reservation_findings(name, pilot, cluster.reservations, cluster.user, now))
    yield from reservation
    if all(finding.level != "fail" for finding in (*partition, *reservation)):
        nodes, where = _nodes(pilot, cluster)
        yield from node_findings(name, pilot, nodes, where)
    yield from accounting.policy_findings(name, pilot, cluster.policy)


def _nodes(pilot: PilotConfig, cluster: Cluster) -> tuple[list[Node], str]:
    """Give the nodes among which SLURM would choose, and what to call them."""
    nodes, where = list(cluster.nodes), "the cluster"
    if pilot.partition:
        wanted = set(pilot.partition.split(","))
        nodes, where = [node for node in nodes if wanted & set(node.partitions)], f"partition {pilot.partition}"
    if pilot.reservation:
        named = pilot.reservation.split(",")
        within = {host for each in cluster.reservations if each.name in named for host in expand(each.nodes)}
        nodes, where = [node for node in nodes if node.name in within], f"reservation {pilot.reservation}"
    return nodes, where
