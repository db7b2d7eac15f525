"""Pilots as jobs of a real SLURM: how soon they work, and what they do when SLURM ends them in its own ways."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .pilot_bench import CONFIG, SCRIPT, PilotBench
from .rabbit_server import RabbitServer
from .server_tables import server_tables
from .servers import wait_until
from .slurm_server import Slurm

BACK = "select 1 from item where scope = 'file' and phase in ('ready', 'submitted') having count(*) = 2"


@pytest.fixture
def bench(tmp_path: Path, empty_database_url: str, rabbit: RabbitServer, rabbit_instance: str) -> Iterator[PilotBench]:
    config = CONFIG.replace("{script}", SCRIPT).replace("{folder}", str(tmp_path))
    made = PilotBench(tmp_path, server_tables(tmp_path, rabbit_instance, empty_database_url, rabbit), config)
    yield made
    made.close()


@pytest.fixture
def slurm(start_slurm: Callable[..., Slurm]) -> Slurm:
    """Give a SLURM that leaves jobs the time that it leaves them by default."""
    return start_slurm(nodes=1, preempt="CANCEL", settings={"KillWait": 30})


def submit(bench: PilotBench, slurm: Slurm, *options: str) -> str:
    script = f"#!/bin/bash\nexec {shlex.join(bench.command())} --walltime 3600\n"
    return slurm.sbatch(script, "-n", "2", f"--output={bench.folder}/job.log", *options)


def executing(bench: PilotBench, slurm: Slurm) -> str:
    """Bring two files to a pilot in SLURM; give its job once both are executing."""
    bench.arrive(1, 2)
    job = submit(bench, slurm)
    bench.until_executing(2)
    return job


def test_the_first_file_is_executing_soon_after_slurm_has_started_its_pilot(bench: PilotBench, slurm: Slurm) -> None:
    job = executing(bench, slurm)
    row = bench.until("select * from pilot where status = 'running'", "the pilot is heard of")
    assert (row["job"], row["node"], row["detail"]["memory"]) == (job, "n1", 2 * 200 << 20)
    began = slurm.command("squeue", "-h", "-j", job, "-o", "%S").strip()
    took = bench.rows(f"select extract(epoch from min(started_at) - timestamptz '{began}+00') as s from attempt")[0][
        "s"
    ]
    print(f"first file executing {took:.1f} s after SLURM started the pilot (which it tells in whole seconds)")
    assert took < 30  # 3 s are measured where the machine is our own
    bench.go_on()


@pytest.mark.parametrize("how", ["scancel", "preemption", "requeue"])
def test_whoever_ends_a_pilot_has_its_files_handed_back_and_blames_nobody(
    bench: PilotBench, slurm: Slurm, how: str
) -> None:
    job = executing(bench, slurm)
    if how == "scancel":
        slurm.command("scancel", job)
    elif how == "preemption":
        slurm.sbatch("#!/bin/bash\ntrue\n", "-p", "urgent", "--exclusive")
    else:
        slurm.command("scontrol", "requeuehold", job)
    bench.until(BACK, "both files are back")
    assert bench.interrupts() == [("pilot-ended", f"pilot hf-1 (job {job} on n1) was told to end")] * 2
    assert bench.failures() == 0
    bench.until("select 1 from pilot where detail ->> 'what' = 'left'", "it has said that it leaves")


def test_a_drain_reaches_the_pilot_alone_and_lets_what_runs_be_finished(bench: PilotBench, slurm: Slurm) -> None:
    job = executing(bench, slurm)
    slurm.command("scancel", "-b", "-s", "USR1", job)
    bench.until("select 1 from pilot where detail ->> 'what' = 'draining'", "it drains")
    bench.go_on()
    bench.until("select 1 from item where state = 'worked' and scope = 'file' having count(*) = 2", "both are done")
    wait_until(lambda: slurm.jobs().get(job) == "COMPLETED", 60, "the job has ended well")
    assert bench.interrupts() == []
