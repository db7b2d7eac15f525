"""Local jobs outlive whoever started them, and nobody takes another process for one of theirs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headframe.daemon.slurm.contract import JobWanted, RefusedError, Standing
from headframe.daemon.slurm.local import Local
from headframe.daemon.slurm.local_job import began_at

from .servers import wait_until

SLEEP = "#!/bin/sh\nsleep 300 & wait\n"


def running(batch: Local, job: str) -> bool:
    return any(one.job == job and one.standing is Standing.RUNNING for one in batch.poll("hf-"))


def group_of(folder: Path, job: str) -> int:
    return int((folder / job / "group").read_text().split()[0])


def test_a_job_outlives_its_launcher_and_the_next_one_ends_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from headframe.daemon.slurm.local import Local; from headframe.daemon.slurm.contract import JobWanted\n"
        f"print(Local(Path(sys.argv[1])).submit(JobWanted(token='hf-a-1', script={SLEEP!r})))\n"
    )
    job = subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True).strip()
    batch = Local(tmp_path)
    wait_until(lambda: running(batch, job), 60, "the next launcher sees it run")
    assert [one.job for one in batch.find("hf-a-1")] == [job]
    batch.cancel(job)
    assert [one.code for one in batch.find("hf-a-1")] == ["cancelled"]


def test_a_job_whose_processes_were_killed_has_failed(tmp_path: Path) -> None:
    batch = Local(tmp_path)
    job = batch.submit(JobWanted(token="hf-a-1", script=SLEEP))
    wait_until(lambda: running(batch, job), 60, "it runs")
    os.killpg(group_of(tmp_path, job), signal.SIGKILL)
    wait_until(lambda: not running(batch, job), 60, "it is over")
    (one,) = batch.find("hf-a-1")
    assert (one.standing, one.code, one.reason) == (
        Standing.ENDED,
        "failed",
        "its processes are gone, and it left no exit code",
    )


def test_a_process_that_got_the_number_of_one_is_left_alone(tmp_path: Path) -> None:
    batch = Local(tmp_path)
    job = batch.submit(JobWanted(token="hf-a-1", script="#!/bin/sh\ntrue\n"))
    wait_until(lambda: batch.find("hf-a-1")[0].standing is Standing.ENDED, 60, "it ended")
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as other:
        for name in ("group", "process"):
            (tmp_path / job / name).write_text(f"{other.pid} 1\n")
        assert began_at(other.pid) != "1"
        batch.cancel(job)
        batch.drain(job)
        assert batch.find("hf-a-1")[0].code == "done" and other.poll() is None
        other.kill()


def test_a_log_whose_folder_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    batch = Local(tmp_path / "jobs")
    wanted = JobWanted(token="hf-a-1", script=SLEEP, log=str(tmp_path / "nowhere" / "log"))
    with pytest.raises(RefusedError, match="nowhere"):
        batch.try_out(wanted)
    with pytest.raises(RefusedError, match="nowhere"):
        batch.submit(wanted)
    assert batch.find("hf-a-1") == ()


def test_a_log_has_the_number_of_its_job_where_slurm_would_put_it(tmp_path: Path) -> None:
    batch = Local(tmp_path / "jobs")
    job = batch.submit(JobWanted(token="hf-a-1", script="#!/bin/sh\necho here\n", log=f"{tmp_path}/a%%b-%j.log"))
    log = tmp_path / f"a%b-{job}.log"
    wait_until(lambda: log.is_file() and log.read_text() == "here\n", 30, "the log is written")
