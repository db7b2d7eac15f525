"""What has to be true once the cluster has done its work: every file once, its cause named, no pilot left."""

from headframe.daemon.slurm.contract import Standing
from headframe.daemon.slurm.local import Local

from ..faults.reckoning import accepted_twice
from .cluster import Cluster

ALL_DONE = "select count(*) = :files and bool_and(phase = 'done') from item where scope = 'file'"


def finish(cluster: Cluster, files: int, within_s: float = 240) -> None:
    """Wait until every file is cataloged."""
    cluster.wait(ALL_DONE, within_s, f"all of {files} files done", files=files)


def check(cluster: Cluster) -> None:
    """Assert that nothing was accepted twice, nothing failed on the way, and every invariant holds."""
    assert not accepted_twice(cluster)
    assert cluster.value("select count(*) from history where to_phase = 'failed'") == 0, cluster.stands()
    verified = cluster.command("verify")
    assert verified.returncode == 0, verified.stdout[-3000:] + verified.stderr[-3000:]


def idle(cluster: Cluster, within_s: float = 60) -> None:
    """Wait until no pilot is left, in the table and in SLURM."""
    cluster.wait("select count(*) = 0 from pilot where ended_at is null", within_s, "no pilot is left")
    left = cluster.slurm.command("squeue", "-h", "-o", "%A %j %T")
    assert not left, left


def causes(cluster: Cluster) -> set[tuple[str, str]]:
    """Give the codes and reasons of all interrupts."""
    return {(row.reason_code, row.reason) for row in cluster.rows(_INTERRUPTS)}


_INTERRUPTS = "select distinct reason_code, reason from history where trigger = 'interrupt'"


def end_jobs(batch: Local) -> list[str]:
    """End what is left of local processes; give it."""
    left = [job.job for job in batch.poll("") if job.standing is not Standing.ENDED]
    for job in left:
        batch.cancel(job)
    return left
