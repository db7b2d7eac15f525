"""Kills for want of memory, and limits of memory, as both versions of cgroups tell them."""

from pathlib import Path

import pytest

from headframe.consumers.worker import oom
from headframe.consumers.worker.child import Answer
from headframe.consumers.worker.executor import Executor


def group(folder: Path, version: int, job: str, **files: str) -> tuple[Path, Path]:
    """Write the files of a cgroup; give the place of /proc/self/cgroup and of the file system."""
    proc, root = folder / "cgroup", folder / "sys"
    proc.write_text(f"0::{job}\n" if version == 2 else f"4:cpu,cpuacct:/other\n3:memory:{job}\n")
    place = (root if version == 2 else root / "memory") / job.lstrip("/")
    place.mkdir(parents=True)
    for name, said in files.items():
        (place / name.replace("__", ".")).write_text(said)
    return proc, root


@pytest.mark.parametrize(
    ("version", "files"),
    [
        (2, {"memory__events": "low 0\nmax 7\noom 3\noom_kill 2\n"}),
        (1, {"memory__oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}),
    ],
)
def test_kills_are_counted_in_both_versions(tmp_path: Path, version: int, files: dict[str, str]) -> None:
    assert oom.kills(*group(tmp_path, version, "/job_1/step", **files)) == 2


def test_no_cgroup_is_no_kill_and_no_limit(tmp_path: Path) -> None:
    assert oom.kills(tmp_path / "none", tmp_path) == 0
    assert oom.limit(tmp_path / "none", tmp_path) == 0


def test_a_limit_further_up_counts(tmp_path: Path) -> None:
    proc, root = group(tmp_path, 2, "/slurm/job_1/step/user", memory__max="max\n")
    (root / "slurm/job_1/memory.max").write_text(f"{2**30}\n")
    assert oom.limit(proc, root) == 2**30


def test_no_limit_in_version_1_is_a_huge_number(tmp_path: Path) -> None:
    proc, root = group(tmp_path, 1, "/job_1", memory__limit_in_bytes="9223372036854771712\n")
    assert oom.limit(proc, root) == 0


KILLED = Answer(kind="fail", code="step-died", reason="the step's process died: signal SIGKILL")


def test_a_killed_step_asks_for_memory_where_that_is_limited() -> None:
    judged = Executor(memory=2**30)._judged(KILLED, killed=True)
    assert (judged.kind, judged.code) == ("interrupt", "memory")
    assert "1024 MiB for each worker" in judged.reason


def test_a_killed_step_asks_for_memory_where_the_kernel_has_counted_it(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Executor()
    assert executor._judged(KILLED, killed=True) == KILLED
    monkeypatch.setattr(oom, "kills", lambda: 1)
    assert executor._judged(KILLED, killed=True).code == "memory"


def test_a_step_that_fails_by_itself_is_blamed_whatever_the_limit() -> None:
    failed = Answer(kind="fail", code="exit-1", reason="it said so")
    assert Executor(memory=2**30)._judged(failed, killed=False) == failed
