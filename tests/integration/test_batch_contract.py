"""What every back end of the batch contract does, over real batch systems; those that are not here are skipped."""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headframe.daemon.slurm.commands import Commands
from headframe.daemon.slurm.contract import (
    AwayError,
    Batch,
    JobSeen,
    JobWanted,
    RefusedError,
    Standing,
    UnclearError,
)

from .batch_kinds import KINDS, OF_SLURM, alone, over_slurm
from .servers import wait_until
from .slurm_server import Slurm

SLEEP = "#!/bin/sh\nsleep 300 & wait\n"
QUICK = "#!/bin/sh\ntrue\n"


@pytest.fixture
def batch(request: pytest.FixtureRequest) -> Batch:
    """Give a back end over a batch system of the test's own."""
    if request.param == "local":
        return alone(request.getfixturevalue("tmp_path") / "jobs")
    return over_slurm(request.param, request.getfixturevalue("slurm"), request)


every_kind = pytest.mark.parametrize("batch", KINDS, indirect=True)
every_slurm = pytest.mark.parametrize("batch", OF_SLURM, indirect=True)
every_name = pytest.mark.parametrize("kind", OF_SLURM)
every_name_in_time = pytest.mark.parametrize(
    "kind", [OF_SLURM[0], *(pytest.param(kind, marks=pytest.mark.long) for kind in OF_SLURM[1:])]
)
"""What waits for half a minute each time: in the test command only by SLURM's commands."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job without a log of its own leaves one where it was submitted."""
    monkeypatch.chdir(tmp_path)


def seen(batch: Batch, job: str) -> JobSeen | None:
    return next((each for each in batch.poll("hf-") if each.job == job), None)


def wait_for(batch: Batch, job: str, standing: Standing, state: str = "") -> JobSeen:
    def is_so() -> bool:
        one = seen(batch, job)
        return one is not None and one.standing is standing and state in one.state

    wait_until(is_so, 120, f"job {job} is {standing} {state}")
    return next(each for each in batch.poll("hf-") if each.job == job)


def wait_for_text(path: Path, text: str) -> None:
    wait_until(lambda: path.exists() and text in path.read_text(), 60, f"{text!r} in {path}")


@every_kind
def test_a_job_runs_and_ends_and_its_output_is_in_the_log(batch: Batch, tmp_path: Path) -> None:
    before, log = time.time(), tmp_path / "log"
    job = batch.submit(JobWanted(token="hf-a-1", script="#!/bin/sh\necho seven\n", log=str(log)))
    ended = wait_for(batch, job, Standing.ENDED)
    assert (ended.token, ended.code, ended.exit_code, ended.restarts) == ("hf-a-1", "done", 0, 0)
    assert ended.submitted_at and ended.ended_at and ended.ends_at is None
    assert before - 2 < ended.submitted_at.timestamp() <= ended.ended_at.timestamp() < time.time() + 2
    assert "seven" in log.read_text()


@every_kind
def test_a_running_job_says_where_and_since_when(batch: Batch) -> None:
    job = batch.submit(JobWanted(token="hf-a-1", script=SLEEP))
    running = wait_for(batch, job, Standing.RUNNING)
    assert running.nodes in {node.name for node in batch.nodes()}
    assert running.started_at and running.ended_at is None and running.code == "" and running.exit_code is None
    batch.cancel(job)


@every_kind
def test_a_job_that_fails_gives_its_exit_code(batch: Batch) -> None:
    job = batch.submit(JobWanted(token="hf-a-1", script="#!/bin/sh\nexit 3\n"))
    ended = wait_for(batch, job, Standing.ENDED)
    assert (ended.code, ended.exit_code) == ("failed", 3)


@every_kind
def test_a_cancelled_job_ends_with_all_its_processes(batch: Batch, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    script = f"#!/bin/sh\ntrap '' TERM\nsleep 300 & echo $! pid >{path}\nwait\nwait\n"
    job = batch.submit(JobWanted(token="hf-a-1", script=script))
    wait_for_text(path, "pid")
    batch.cancel(job)
    assert wait_for(batch, job, Standing.ENDED).code == "cancelled"
    wait_until(lambda: not Path(f"/proc/{path.read_text().split()[0]}").exists(), 60, "the job's child is gone")
    batch.cancel(job)


@every_kind
def test_cancelling_or_draining_what_nobody_knows_is_no_error(batch: Batch) -> None:
    batch.cancel("99999")
    if batch.name != "slurmrestd":
        batch.drain("99999")


@every_kind
def test_drain_tells_the_script_alone_and_lets_it_finish(batch: Batch, tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = (
        "#!/bin/sh\n"
        f"sh -c \"trap 'echo child >>{said}' USR1; while [ ! -e {tmp_path}/end ]; do sleep 0.1; done\" &\n"
        f"trap 'echo told >>{said}; touch {tmp_path}/end' USR1\n"
        f"echo ready >>{said}\n"
        f"while [ ! -e {tmp_path}/end ]; do sleep 0.1; done; wait\n"
    )
    if batch.name == "slurmrestd":
        pytest.skip("slurmrestd: that of SLURM 22.05 cannot signal a batch script alone, and says so")
    job = batch.submit(JobWanted(token="hf-a-1", script=script))
    wait_for_text(said, "ready")
    wait_for(batch, job, Standing.RUNNING)
    batch.drain(job)
    assert wait_for(batch, job, Standing.ENDED).code == "done"
    assert said.read_text().split() == ["ready", "told"]


@every_kind
def test_jobs_are_found_by_their_token_and_polled_by_its_beginning(batch: Batch) -> None:
    one = batch.submit(JobWanted(token="hf-a-1", script=SLEEP))
    other = batch.submit(JobWanted(token="hf-b-1", script=QUICK))
    wait_for(batch, other, Standing.ENDED)
    assert [each.job for each in batch.poll("hf-a-")] == [one]
    assert [each.job for each in batch.find("hf-a-1")] == [one]
    assert [each.code for each in batch.find("hf-b-1")] == ["done"]
    assert batch.find("hf-a-") == () == batch.poll("hf-c")
    batch.cancel(one)


@every_kind
def test_a_job_knows_its_number_and_node_and_none_of_our_secrets(
    batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADFRAME_TEST_SECRET", "hush")
    path = tmp_path / "environment"
    job = batch.submit(JobWanted(token="hf-a-1", script=f"#!/bin/sh\nenv >{path}\n"))
    node = wait_for(batch, job, Standing.ENDED).nodes
    said = path.read_text().splitlines()
    assert f"SLURM_JOB_ID={job}" in said and f"SLURMD_NODENAME={node}" in said
    assert not any("hush" in line for line in said)
    assert any(line.startswith("PATH=") for line in said) and any(line.startswith("HOME=") for line in said)


@every_kind
def test_trying_out_submits_nothing(batch: Batch) -> None:
    assert batch.try_out(JobWanted(token="hf-a-1", script=QUICK))
    assert batch.find("hf-a-1") == ()


@every_kind
def test_nodes_partitions_and_version_are_told(batch: Batch) -> None:
    assert batch.version()[0].isdigit()
    nodes, partitions = batch.nodes(), batch.partitions()
    assert nodes and partitions and all(node.usable and node.cpus > 0 and node.memory > 0 for node in nodes)
    assert all(partition.usable and partition.nodes for partition in partitions)
    assert set(nodes[0].partitions) <= {partition.name for partition in partitions}


@every_slurm
def test_what_slurm_refuses_is_said_in_its_words_and_leaves_no_job(batch: Batch) -> None:
    nowhere = JobWanted(token="hf-a-1", script="#!/bin/sh\n#SBATCH --partition=nowhere\ntrue\n")
    with pytest.raises(RefusedError, match=r"(?i)invalid partition"):
        batch.submit(nowhere)
    with pytest.raises(RefusedError, match=r"(?i)invalid partition"):
        batch.try_out(nowhere)
    assert batch.find("hf-a-1") == ()


@every_slurm
@pytest.mark.parametrize(
    "option", ["--reservation=nothing", "--constraint=nothing", "--mem=9999G", "--bogus", "--time=x", "--nodelist=n99"]
)
def test_no_job_that_was_refused_runs(batch: Batch, option: str) -> None:
    with pytest.raises(RefusedError):
        batch.submit(JobWanted(token="hf-a-1", script=f"#!/bin/sh\n#SBATCH {option}\ntrue\n"))
    assert all(job.standing is Standing.ENDED for job in batch.find("hf-a-1"))


@every_name
def test_a_pending_job_says_why(kind: str, slurm: Slurm, request: pytest.FixtureRequest) -> None:
    batch = over_slurm(kind, slurm, request)
    job = batch.submit(JobWanted(token="hf-a-1", script="#!/bin/sh\n#SBATCH --hold --time=10\ntrue\n"))
    pending = wait_for(batch, job, Standing.PENDING)
    assert "JobHeldUser" in pending.reason and pending.nodes == "" and pending.started_at is None
    slurm.scontrol("release", job)
    assert wait_for(batch, job, Standing.ENDED).code == "done"


@every_name
def test_a_requeued_job_counts_its_restarts(kind: str, slurm: Slurm, request: pytest.FixtureRequest) -> None:
    batch = over_slurm(kind, slurm, request)
    job = batch.submit(JobWanted(token="hf-a-1", script=SLEEP))
    wait_for(batch, job, Standing.RUNNING)
    slurm.scontrol("requeue", job)
    again = wait_for(batch, job, Standing.PENDING)
    assert (again.restarts, again.code) == (1, "")


@every_name
def test_a_running_job_with_a_limit_says_when_it_must_end(
    kind: str, slurm: Slurm, request: pytest.FixtureRequest
) -> None:
    batch = over_slurm(kind, slurm, request)
    job = batch.submit(JobWanted(token="hf-a-1", script=SLEEP.replace("\n", "\n#SBATCH --time=10\n", 1)))
    running = wait_for(batch, job, Standing.RUNNING)
    assert running.started_at and running.ends_at
    assert (running.ends_at - running.started_at).total_seconds() == 600


@every_name
def test_a_preempted_job_says_so(kind: str, start_slurm: Callable[..., Slurm], request: pytest.FixtureRequest) -> None:
    slurm = start_slurm(nodes=1, cpus=1, preempt="CANCEL")
    batch = over_slurm(kind, slurm, request)
    job = batch.submit(JobWanted(token="hf-a-1", script=SLEEP))
    wait_for(batch, job, Standing.RUNNING)
    slurm.sbatch(SLEEP, "--partition=urgent")
    assert wait_for(batch, job, Standing.ENDED).code == "preempted"


@every_name
def test_a_node_that_failed_is_told_apart(kind: str, slurm: Slurm, request: pytest.FixtureRequest) -> None:
    batch = over_slurm(kind, slurm, request)
    job = batch.submit(JobWanted(token="hf-a-1", script=SLEEP))
    node = wait_for(batch, job, Standing.RUNNING).nodes
    slurm.scontrol("update", f"JobId={job}", "Requeue=0")
    slurm.kill_node(node)
    slurm.scontrol("update", f"NodeName={node}", "State=DOWN", "Reason=broken fan")
    assert wait_for(batch, job, Standing.ENDED).code == "node-failed"
    down = next(each for each in batch.nodes() if each.name == node)
    assert not down.usable and down.reason == "broken fan" and "DOWN" in down.state


@every_name
def test_reservations_are_told(kind: str, slurm: Slurm, request: pytest.FixtureRequest) -> None:
    batch = over_slurm(kind, slurm, request)
    assert batch.reservations() == ()
    words = ("ReservationName=run7", "StartTime=now", "Duration=60", f"Users={slurm.user}", "Nodes=n1,n2")
    slurm.scontrol("create", "reservation", *words)
    (one,) = batch.reservations()
    assert (one.name, one.nodes, one.users, one.state) == ("run7", "n[1-2]", slurm.user, "ACTIVE")
    assert one.begins_at and one.ends_at and abs(one.begins_at.timestamp() - time.time()) < 120
    assert (one.ends_at - one.begins_at).total_seconds() == 3600


CALLS: dict[str, Callable[[Batch], object]] = {
    "submit": lambda batch: batch.submit(JobWanted(token="hf-a-1", script=QUICK)),
    "poll": lambda batch: batch.poll("hf-"),
    "nodes": lambda batch: batch.nodes(),
    "cancel": lambda batch: batch.cancel("1"),
}


@every_name_in_time
@pytest.mark.parametrize("call", ["submit", *(pytest.param(each, marks=pytest.mark.long) for each in list(CALLS)[1:])])
def test_without_slurmctld_everything_is_away(
    kind: str, call: str, slurm: Slurm, request: pytest.FixtureRequest
) -> None:
    batch = over_slurm(kind, slurm, request)
    batch.version()
    slurm.stop_slurmctld()
    with pytest.raises(AwayError):
        CALLS[call](batch)


@every_name
def test_a_lost_answer_is_unclear_and_the_job_is_found_by_its_token(
    kind: str, slurm: Slurm, request: pytest.FixtureRequest
) -> None:
    batch = over_slurm(kind, slurm, request)
    batch.version()
    slurm.freeze_slurmctld(True)  # it takes the connection, and reads the request when it goes on
    with pytest.raises(UnclearError):
        batch.submit(JobWanted(token="hf-a-1", script=QUICK))
    slurm.freeze_slurmctld(False)
    wait_until(lambda: len(batch.find("hf-a-1")) == 1, 60, "the job is found")


@every_name_in_time
def test_accounting_tells_of_time_and_memory_and_knows_jobs_that_slurmctld_forgot(
    kind: str, start_slurm: Callable[..., Slurm], request: pytest.FixtureRequest
) -> None:
    slurm = start_slurm(nodes=1, accounting=True, min_job_age_s=2)
    batch = over_slurm(kind, slurm, request)
    script = "#!/bin/sh\npython3 -c 'x = bytearray(50_000_000)\nfor i in range(30_000_000): pass\n'\nsleep 2\n"
    job = batch.submit(JobWanted(token="hf-a-1", script=script))
    wait_until(lambda: any(each.job == job for each in batch.accounting([job])), 120, "the job is on record")
    (used,) = batch.accounting([job, "99999"])
    assert used.code == "done" and used.cpus == 1
    assert used.elapsed_s >= 2 and used.cpu_s > 0.3 and used.memory_peak > 50_000_000 and used.queue_s >= 0
    wait_until(lambda: seen(batch, job) is None, 120, "slurmctld has forgotten it")
    assert [each.code for each in batch.find("hf-a-1")] == ["done"]


@every_name
def test_without_accounting_there_is_nothing_on_record(kind: str, slurm: Slurm, request: pytest.FixtureRequest) -> None:
    assert over_slurm(kind, slurm, request).accounting(["1", "2"]) == ()


@every_name
def test_a_signal_that_ends_the_script_is_a_failure(kind: str, slurm: Slurm, request: pytest.FixtureRequest) -> None:
    batch = over_slurm(kind, slurm, request)
    job = batch.submit(JobWanted(token="hf-a-1", script="#!/bin/sh\nkill -SEGV $$\n"))
    ended = wait_for(batch, job, Standing.ENDED)
    assert (ended.code, ended.exit_code) == ("failed", 128 + signal.SIGSEGV)


@pytest.mark.slow  # SLURM's shortest limit is a minute, and it looks twice a minute
def test_a_job_is_warned_before_its_walltime_and_ends_with_it(slurm: Slurm, tmp_path: Path) -> None:
    batch = Commands(environ=slurm.environ)
    lines = "#SBATCH --time=1 --signal=B:USR1@30\n"
    loop = f"trap 'echo warned >>{tmp_path}/said' USR1\nwhile :; do sleep 1; done\n"
    job = batch.submit(JobWanted(token="hf-a-1", script=f"#!/bin/sh\n{lines}{loop}"))
    wait_until(lambda: (one := seen(batch, job)) is not None and one.standing is Standing.ENDED, 240, "it ended")
    assert wait_for(batch, job, Standing.ENDED).code == "walltime"
    assert (tmp_path / "said").read_text() == "warned\n"


def test_an_sbatch_that_hangs_after_it_was_heard_is_unclear_and_its_job_is_found(slurm: Slurm, tmp_path: Path) -> None:
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f'#!/bin/sh\n{shutil.which("sbatch")} "$@" >/dev/null\nsleep 300\n')
    sbatch.chmod(0o755)
    batch = Commands(10, {**slurm.environ, "PATH": f"{tmp_path}:{slurm.environ['PATH']}"})
    with pytest.raises(UnclearError, match="sbatch did not end within"):
        batch.submit(JobWanted(token="hf-a-1", script=QUICK))
    assert len(batch.find("hf-a-1")) == 1
