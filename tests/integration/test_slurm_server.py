"""The private SLURM of the tests does what tests of pilots lean on."""

import os
import signal
from collections.abc import Callable

import pytest

from .servers import wait_until
from .slurm_processes import end_abandoned, processes_of
from .slurm_server import Slurm

pytestmark = pytest.mark.long
SLEEP = "#!/bin/sh\nsleep 300 & env -i sleep 300 & wait\n"


def test_a_job_runs_and_all_of_it_is_gone_after_the_end(slurm: Slurm) -> None:
    job = slurm.sbatch(SLEEP, "--export=NONE")
    slurm.wait_job(job, "RUNNING")
    slurm.close()
    assert processes_of(slurm.folder) == []


def test_a_node_that_dies_goes_down_and_comes_back(start_slurm: Callable[..., Slurm]) -> None:
    slurm = start_slurm(nodes=2, settings={"SlurmdTimeout": 2})
    job = slurm.sbatch(SLEEP, "--nodelist=n1", "--no-requeue")
    slurm.wait_job(job, "RUNNING")
    slurm.kill_node("n1")
    slurm.scontrol("update", "NodeName=n1", "State=DOWN", "Reason=test")
    # A slurmstepd that was killed last may still say that its job has failed: both are ends by the node.
    wait_until(lambda: slurm.jobs()[job] in ("NODE_FAIL", "FAILED"), 60, "the job is over with its node")
    slurm.start_slurmd("n1")
    slurm.wait_idle()


def test_a_job_outlives_a_restart_of_slurmctld(slurm: Slurm) -> None:
    job = slurm.sbatch(SLEEP)
    slurm.wait_job(job, "RUNNING")
    slurm.stop_slurmctld()
    assert "Unable to contact slurm controller" in slurm.try_command("squeue").stderr
    slurm.start_slurmctld()
    slurm.wait_job(job, "RUNNING")


def test_a_job_of_a_higher_partition_takes_the_place_of_another(start_slurm: Callable[..., Slurm]) -> None:
    slurm = start_slurm(nodes=1, cpus=1, preempt="CANCEL")
    job = slurm.sbatch(SLEEP, "--requeue")
    slurm.wait_job(job, "RUNNING")
    slurm.sbatch(SLEEP, "--partition=urgent")
    slurm.wait_job(job, "PREEMPTED")


def test_limits_of_accounting_hold_and_ended_jobs_are_on_record(start_slurm: Callable[..., Slurm]) -> None:
    slurm = start_slurm(nodes=1, accounting=True, enforce="associations,limits,qos")
    slurm.sacctmgr("modify", "qos", "normal", "set", "MaxSubmitJobsPerUser=1")
    job = slurm.sbatch("#!/bin/sh\ntrue\n")
    slurm.wait_job(job, "COMPLETED")
    assert "COMPLETED" in slurm.command("sacct", "-n", "-j", job, "-o", "State")


def test_what_a_killed_test_left_is_ended_by_the_next_one(slurm: Slurm) -> None:
    job = slurm.sbatch(SLEEP)
    slurm.wait_job(job, "RUNNING")
    for process in [*slurm.slurmd.values(), slurm.slurmctld]:
        assert process
        process.end(signal.SIGKILL)
    assert processes_of(slurm.folder)
    (slurm.folder / "owner").write_text(f"{os.getpid()} 1")
    end_abandoned(slurm.folder.parent)
    assert processes_of(slurm.folder) == [] and not slurm.folder.exists()
