"""The newer generation of pyslurm's interface, against a double of it (the older one is tested for real)."""

import os
from datetime import UTC, datetime
from typing import cast

import pytest

from headframe.daemon.slurm.contract import AwayError, JobUsage, RefusedError, Standing
from headframe.daemon.slurm.pyslurm_api import PySlurm

from .pyslurm_25 import Double, RPCError


class Accounted(PySlurm):
    def _keeps_accounts(self) -> bool:
        return True


@pytest.fixture
def double() -> Double:
    return Double(os.getuid())


@pytest.fixture
def batch(double: Double) -> PySlurm:
    return Accounted(module=double, environ={})


def test_only_our_jobs_are_polled(batch: PySlurm) -> None:
    (job,) = batch.poll("hf-")
    assert (job.job, job.standing, job.nodes, job.restarts) == ("7", Standing.RUNNING, "n[1-2]", 2)
    assert job.started_at == datetime.fromtimestamp(200, UTC) and job.ends_at == datetime.fromtimestamp(800, UTC)


def test_nodes_partitions_and_reservations_are_read(batch: PySlurm) -> None:
    (node,), (partition,), (reservation,) = batch.nodes(), batch.partitions(), batch.reservations()
    assert (node.name, node.usable, node.cpus, node.memory) == ("n1", True, 64, 500_000 * 2**20)
    assert (partition.usable, partition.walltime_s, partition.memory_per_node) == (True, 0, 400_000 * 2**20)
    assert (reservation.nodes, reservation.users, reservation.state) == ("n[1-2]", "ada,bob", "ACTIVE")


def test_a_job_is_cancelled_or_drained_by_its_own_methods(batch: PySlurm, double: Double) -> None:
    batch.cancel("7")
    batch.drain("7")
    assert double.done == [("cancel", 7), ("signal", 7, 10, "batch")]


def test_what_a_job_used_is_read_from_the_database(batch: PySlurm) -> None:
    assert batch.accounting(["7"]) == (
        JobUsage(
            job="7",
            state="COMPLETED",
            code="done",
            elapsed_s=600.0,
            cpu_s=90.0,
            cpus=4,
            memory_peak=5_000,
            queue_s=100.0,
            token="hf-a-1",
        ),
    )


def test_errors_are_those_of_the_contract(batch: PySlurm, double: Double) -> None:
    double.fail = RPCError(1800, "Unable to contact slurm controller (connect failure)")
    with pytest.raises(AwayError, match="connect failure"):
        batch.poll("hf-")
    with pytest.raises(AwayError):
        batch.cancel("7")
    double.fail = RPCError(2002, "Access/permission denied")
    with pytest.raises(RefusedError):
        batch.cancel("7")
    double.fail = RPCError(2017, "Invalid job id specified")
    batch.cancel("7")
    assert cast("object", double.done) == []
