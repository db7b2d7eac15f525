"""A cluster that misbehaves: each file is done once all the same, and why it waited is said."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..integration.servers import wait_until
from ..integration.slurm_server import PACKAGES, Slurm, find_program
from .cluster import STEPS, Cluster, pilot
from .conftest import Make
from .ends import causes, check, finish, idle

PATIENT = STEPS.replace("lease_s = 4", "lease_s = 120")
"""Leases so long that SLURM's word comes first."""
FILES = 9
"""So many that more than one pilot is asked for."""


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with Slurm(preempt="CANCEL", nodes=2, cpus=4) as made:
        yield made


def write(cluster: Cluster, files: int) -> None:
    for sequence in range(1, files + 1):
        cluster.write(1, sequence)
    cluster.close_run(1, files)


def begin(cluster: Cluster, files: int, executing: int) -> None:
    """Let so many files arrive, and wait until some of them are executed and stay so."""
    cluster.hold()
    cluster.launch()
    write(cluster, files)
    cluster.wait(
        "select count(*) >= :n from item where phase = 'executing' and step = 'reconstruct'",
        120,
        f"{executing} files executing",
        n=executing,
    )


def name_of(cluster: Cluster) -> str:
    """Give a file that has been interrupted and waits."""
    found = cluster.rows(
        "select f.name from history h join item i on i.id = h.item_id join file f on f.id = i.file_id "
        "where h.trigger = 'interrupt' order by f.id limit 1"
    )
    return str(found[0][0])


def node_of_a_pilot(cluster: Cluster) -> str:
    return str(cluster.value("select node from pilot where status = 'running' order by id limit 1"))


@pytest.mark.long
def test_work_of_a_node_that_dies_is_done_elsewhere_and_the_node_is_named(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm, steps=PATIENT) as cluster:
        begin(cluster, FILES, 2)
        node = node_of_a_pilot(cluster)
        slurm.kill_node(node)
        try:
            cluster.wait("select count(*) > 0 from history where trigger = 'interrupt'", 120, "taken back")
            assert {code for code, _ in causes(cluster)} == {"node-failed"}
            assert all(node in reason for _, reason in causes(cluster))
            cluster.let_go()
            finish(cluster, FILES)
        finally:
            slurm.start_slurmd(node)
        check(cluster)
        assert cluster.value("select count(*) from pilot where code = 'node-failed'") >= 1
        idle(cluster)


@pytest.mark.long
def test_a_slurmstepd_that_outlives_its_slurmd_finishes_its_work_once(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm) as cluster:
        begin(cluster, FILES, 2)
        node = node_of_a_pilot(cluster)
        slurm.kill_slurmd(node)
        cluster.let_go()
        finish(cluster, FILES)
        slurm.start_slurmd(node)
        check(cluster)
        idle(cluster, 120)


@pytest.mark.long
def test_while_slurmctld_is_down_pilots_work_on_and_none_is_given_up(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm) as cluster:
        begin(cluster, FILES, 2)
        slurm.stop_slurmctld()
        try:
            before = {row.token: row.status for row in cluster.pilot_rows()}
            cluster.let_go()
            finish(cluster, FILES)
            assert {row.token for row in cluster.pilot_rows()} == set(before)
        finally:
            slurm.start_slurmctld()
        check(cluster)
        idle(cluster)


@pytest.mark.long
def test_what_somebody_cancelled_with_scancel_is_handed_back_and_done_by_others(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm) as cluster:
        begin(cluster, FILES, 2)
        slurm.command("scancel", str(cluster.value("select job from pilot where status = 'running' limit 1")))
        cluster.wait("select count(*) > 0 from pilot where code = 'cancelled'", 60, "the launcher has seen it")
        cluster.let_go()
        finish(cluster, FILES)
        check(cluster)
        assert {code for code, _ in causes(cluster)} <= {"pilot-ended", "preempted"}
        assert cluster.value("select bool_and(failures = 0 and cardinality(nodes) = 0) from item")
        idle(cluster)


@pytest.mark.long
def test_preempted_work_is_interrupted_never_failed_and_goes_on_when_there_is_room(
    clusters: Make, slurm: Slurm
) -> None:
    with clusters(slurm, pilots=pilot(more='partition = "main"')) as cluster:
        begin(cluster, FILES, 2)
        urgent = slurm.sbatch(
            "#!/bin/sh\nexec sleep 600\n", "--partition=urgent", "--exclusive", f"--nodes={len(slurm.names)}"
        )
        cluster.wait("select count(*) > 0 from pilot where code = 'preempted'", 60, "the launcher has seen it")
        cluster.wait("select count(*) = 0 from item where phase = 'executing'", 60, "nothing executes")
        assert "preempted" in cluster.command("why", "file", name_of(cluster)).stdout
        slurm.command("scancel", urgent)
        cluster.let_go()
        finish(cluster, FILES)
        check(cluster)
        idle(cluster)


@pytest.mark.long
def test_a_pilot_that_slurm_does_not_start_is_why_its_work_waits(clusters: Make, slurm: Slurm) -> None:
    nodes = f"NodeName={','.join(slurm.names)}"
    slurm.scontrol("update", nodes, "State=DRAIN", "Reason=test")
    with clusters(slurm) as cluster:
        try:
            cluster.launch()
            write(cluster, FILES)
            cluster.wait("select count(*) > 0 from pilot where status = 'pending' and reason <> ''", 60, "pending")
            said = cluster.command("why", "file", "run1_1.raw").stdout
            assert "pending" in said, said
            assert cluster.pilot_rows()[0].job in said, said
            assert cluster.pilot_rows()[0].reason in said, said
        finally:
            slurm.scontrol("update", nodes, "State=RESUME")
        finish(cluster, FILES)
        check(cluster)
        idle(cluster)


@pytest.mark.long
def test_an_sbatch_that_times_out_after_it_succeeded_makes_one_job(
    clusters: Make, slurm: Slurm, tmp_path: Path
) -> None:
    wrapper = tmp_path / "sbatch"
    wrapper.write_text(f'#!/bin/sh\n{find_program("sbatch", PACKAGES)} "$@" > /dev/null 2>&1\nexec sleep 60\n')
    wrapper.chmod(0o755)
    with clusters(slurm, pilots=pilot(max=1)) as cluster:
        config = cluster.cluster_config
        config.write_text(config.read_text().replace("interval_s = 1", "interval_s = 1\ntimeout_s = 3"))
        cluster.hold()
        cluster.launch({"PATH": f"{tmp_path}:{slurm.environ['PATH']}"})
        write(cluster, FILES)
        cluster.wait("select count(*) >= 1 from item where phase = 'executing'", 120, "executing")
        jobs = slurm.command("squeue", "-h", "-t", "all", "-o", "%j").split()
        tokens = [row.token for row in cluster.pilot_rows()]
        assert [jobs.count(token) for token in tokens] == [1] * len(tokens)
        cluster.let_go()
        finish(cluster, FILES)
        check(cluster)


@pytest.mark.long
def test_a_launcher_killed_and_started_again_takes_up_the_pilots_that_are_there(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm) as cluster:
        begin(cluster, FILES, 2)
        assert cluster.launcher is not None
        cluster.launcher.end(signal.SIGKILL)
        before = len(cluster.pilot_rows())
        cluster.launch()
        cluster.let_go()
        finish(cluster, FILES)
        idle(cluster)
        assert len(cluster.pilot_rows()) <= max(4, before)
        check(cluster)


@pytest.mark.long
def test_a_pilot_is_drained_and_another_cancelled_by_command(clusters: Make, slurm: Slurm) -> None:
    with clusters(slurm) as cluster:
        begin(cluster, FILES, 2)
        first, second = [row.id for row in cluster.pilot_rows() if row.status == "running"][:2]
        done = cluster.command("pilots", "drain", str(first), "--reason", "a try", "--yes")
        assert done.returncode == 0, done.stderr
        done = cluster.command("pilots", "cancel", str(second), "--reason", "a try", "--yes")
        assert done.returncode == 0, done.stderr
        cluster.wait("select code = 'cancelled' from pilot where id = :id", 60, "cancelled", id=second)
        cluster.let_go()
        finish(cluster, FILES)
        wait_until(lambda: cluster.value("select status from pilot where id = :id", id=first) == "ended", 60, "drained")
        check(cluster)
