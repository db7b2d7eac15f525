"""Commands are run in a clean environment, for a limited time, and leave nothing behind."""

import os
import select
import time
from pathlib import Path

import pytest

from headframe.daemon.slurm.asking import ask, environment_of_questions, environment_of_sbatch
from headframe.daemon.slurm.contract import AwayError, UnclearError

THEIRS = {
    "PATH": "/bin:/usr/bin",
    "HOME": "/home/ada",
    "SLURM_CONF": "/etc/slurm.conf",
    "SLURM_CLUSTERS": "other",
    "SLURM_TIME_FORMAT": "relative",
    "SQUEUE_FORMAT": "%A",
    "SBATCH_PARTITION": "debug",
    "HEADFRAME_TOKEN": "hush",
    "TZ": "Europe/London",
}


def test_a_persons_own_defaults_change_no_answer() -> None:
    kept = environment_of_questions(THEIRS)
    assert not {"SLURM_CLUSTERS", "SLURM_TIME_FORMAT", "SQUEUE_FORMAT", "SBATCH_PARTITION"} & set(kept)
    assert (kept["SLURM_CONF"], kept["TZ"], kept["LC_ALL"]) == ("/etc/slurm.conf", "UTC", "C")


def test_a_job_gets_no_more_than_it_needs() -> None:
    assert set(environment_of_sbatch(THEIRS)) == {"PATH", "HOME", "SLURM_CONF", "TZ"}


def _ends(pid: int, seconds: float) -> bool:
    """Wait for a process, of whomever: a signal that was sent is not yet a process that is gone."""
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([ended], [], [], seconds)[0])
    finally:
        os.close(ended)


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! >{tmp_path}/pid; wait"
    began = time.monotonic()
    with pytest.raises(UnclearError, match="did not end within"):
        ask(["sh", "-c", script], THEIRS, 0.5)
    assert time.monotonic() - began < 60
    assert _ends(int((tmp_path / "pid").read_text()), 60)


def test_a_command_that_is_missing_is_named() -> None:
    with pytest.raises(AwayError, match="no-such-sbatch cannot be started"):
        ask(["no-such-sbatch"], THEIRS, 5)
