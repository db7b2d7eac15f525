"""Preemption that puts pilots back into SLURM's queue: each file is done once, and nothing is charged to it."""

from collections.abc import Iterator

import pytest

from ..integration.slurm_server import Slurm
from .cluster import STEPS, Cluster, pilot
from .conftest import Make
from .ends import causes, check, finish, idle

PATIENT = STEPS.replace("lease_s = 4", "lease_s = 120")
FILES = 9


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with Slurm(preempt="REQUEUE", nodes=2, cpus=4) as made:
        yield made


def start_again(cluster: Cluster) -> None:
    """Let the jobs that were requeued begin at once: SLURM has them wait for two minutes."""
    for job, state in cluster.slurm.jobs().items():
        if state == "PENDING":
            cluster.slurm.scontrol("update", f"JobId={job}", "StartTime=now")


@pytest.mark.long
def test_work_of_pilots_that_preemption_requeues_is_done_once_and_costs_the_files_nothing(
    clusters: Make, slurm: Slurm
) -> None:
    with clusters(slurm, steps=PATIENT, pilots=pilot(more='partition = "main"')) as cluster:
        cluster.hold()
        cluster.launch()
        for sequence in range(1, FILES + 1):
            cluster.write(1, sequence)
        cluster.close_run(1, FILES)
        cluster.wait("select count(*) >= 2 from item where phase = 'executing'", 120, "two files executing")
        for job in slurm.jobs():
            slurm.scontrol("update", f"JobId={job}", "Requeue=1")  # the launcher asks for the contrary
        everywhere = ("--partition=urgent", "--exclusive", f"--nodes={len(slurm.names)}")
        urgent = slurm.sbatch("#!/bin/sh\nexec sleep 600\n", *everywhere)
        cluster.wait("select count(*) >= 1 from pilot where restarts > 0", 120, "the launcher has seen it")
        cluster.wait("select count(*) = 0 from item where phase = 'executing'", 120, "nothing executes")
        slurm.command("scancel", urgent)
        start_again(cluster)
        cluster.let_go()
        finish(cluster, FILES)
        check(cluster)
        assert {code for code, _ in causes(cluster)} <= {"pilot-ended", "preempted"}, causes(cluster)
        assert cluster.value("select bool_and(failures = 0 and cardinality(nodes) = 0) from item")
        assert cluster.value("select count(*) from failure_family") == 0
        idle(cluster, 180)
