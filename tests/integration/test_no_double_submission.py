"""sbatch fails at random, before or after SLURM has the job: each intent has one job at most, and no job is lost."""

import random
import shutil
from pathlib import Path

import pytest

from headframe.daemon.launcher.launcher import Launcher
from headframe.daemon.slurm.commands import Commands
from headframe.statemachine.piloting import LivePilot, StepDemand

from ..launcher_double import Clock, FakeService
from ..unit.daemon.launcher.small_cluster import configured
from .slurm_server import Slurm

SBATCH = """#!/bin/bash
# Stands before sbatch: does what the next line of `fates` says, and writes down who was submitted.
here=$(dirname "$0")/..
fate=$(head -n 1 "$here/fates")
sed -i 1d "$here/fates"
echo "$fate $*" >> "$here/calls"
timed_out="sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
case $fate in
  after-*) {sbatch} "$@" > "$here/answer" 2>&1 ;;
  before-*) cat > /dev/null ;;
  *) exec {sbatch} "$@" ;;
esac
case $fate in
  *-exit) exit 1 ;;
  *-killed) kill -9 $$ ;;
  *-late) sleep 600 ;;
  *-garbled) echo "Submitted batch jo" ;;
  *-socket) echo "$timed_out" >&2; exit 1 ;;
esac
"""
FATES = [f"{when}-{how}" for when in ("before", "after") for how in ("exit", "killed", "late", "garbled", "socket")]


class FailingSbatch:
    """A private SLURM whose nodes take nothing, so that every job that was taken stays; sbatch fails at random."""

    def __init__(self, slurm: Slurm, folder: Path, tries: int, seed: int) -> None:
        draw = random.Random(seed)
        slurm.scontrol("update", "NodeName=ALL", "State=DRAIN", "Reason=the jobs shall stay")
        (folder / "bin").mkdir()
        real = shutil.which("sbatch") or "/usr/bin/sbatch"
        (folder / "bin" / "sbatch").write_text(SBATCH.format(sbatch=real))
        (folder / "bin" / "sbatch").chmod(0o755)
        fates = [draw.choice(FATES) if draw.random() < 0.5 else "well" for _ in range(10 * tries)]
        self.slurm, self.calls, self.fates = slurm, folder / "calls", folder / "fates"
        self.fates.write_text("\n".join(fates) + "\n")
        self.environ = {**slurm.environ, "PATH": f"{folder / 'bin'}:{slurm.environ['PATH']}"}

    def submitted(self) -> list[str]:
        """Give the token of each call, as often as it was submitted."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [word.partition("=")[2] for line in lines for word in line.split() if word.startswith("--job-name=")]

    def mend(self) -> None:
        """Let sbatch do well from now on."""
        self.fates.write_text("")

    def jobs(self) -> dict[str, list[str]]:
        """Give the jobs of each token, by SLURM itself."""
        found: dict[str, list[str]] = {}
        for line in self.slurm.command("squeue", "-h", "-t", "all", "-o", "%A %j").splitlines():
            job, token = line.split()
            found.setdefault(token, []).append(job)
        return found


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tries", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_no_intent_has_two_jobs_and_no_job_is_lost(slurm: Slurm, tmp_path: Path, tries: int) -> None:
    seed = 20260301 + tries
    print(f"seed {seed}")
    broken = FailingSbatch(slurm, tmp_path, tries, seed)
    launcher, service, clock = started(broken, tmp_path, tries)
    while len(broken.submitted()) < tries:
        launcher.round()
        clock.pass_by(10)
    broken.mend()
    settle_s = 0
    while service.status()["intended"] and settle_s < 600:
        launcher.round()
        clock.pass_by(10)
        settle_s += 10
    launcher.round()
    submitted, jobs = broken.submitted(), broken.jobs()
    print(f"{len(submitted)} submissions, {len(jobs)} jobs, pilots: {dict(service.status())}")
    assert len(submitted) == len(set(submitted)) >= tries
    assert all(len(of_token) == 1 for of_token in jobs.values())
    assert jobs.keys() <= service.rows.keys()
    for token, row in service.rows.items():
        known_as_it_is(row, jobs.get(token, []), seed)


def known_as_it_is(row: LivePilot, jobs: list[str], seed: int) -> None:
    if jobs:
        assert (row.status, row.job) == ("pending", jobs[0]), f"seed {seed}: job {jobs[0]} of {row.token} is lost"
    else:
        assert row.code in ("vanished", "withdrawn"), f"seed {seed}: {row.token} is {row.status} without a job"


def started(broken: FailingSbatch, folder: Path, tries: int) -> tuple[Launcher, FakeService, Clock]:
    """Start a launcher that wants as many pilots as there are tries; time passes when a round is over."""
    import threading

    settings = {"grace_s": 40, "refused_s": 1, "refused_max_s": 1}
    pilot = {"max": tries, "max_pending": tries, "workers": 1, "memory": "100M", "walltime": "0:10:00"}
    clock = Clock()
    service = FakeService(clock)
    service.demand = (StepDemand(step="reconstruct", waiting=10 * tries, mean_s=6000.0),)
    config = configured(folder, {**settings, "command": ["true"]}, reco=pilot)
    batch = Commands(timeout_s=4, environ=broken.environ)
    made = Launcher(config, batch, service, owner="o1", host="login1", stop=threading.Event(), clock=clock)
    return made, service, clock
