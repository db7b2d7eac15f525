"""What a pilot finds around itself."""

import time

import pytest

from headframe.consumers.worker import oom
from headframe.daemon.config.surroundings import few_threads, look

SLURM = {
    "SLURMD_NODENAME": "nid000123",
    "SLURM_JOB_ID": "17",
    "SLURM_JOB_NODELIST": "nid[000123-000124]",
    "SLURM_CPUS_ON_NODE": "128",
    "SLURM_MEM_PER_NODE": "2048",
    "SLURM_JOB_START_TIME": "1000",
    "SLURM_JOB_END_TIME": "4600",
}


def test_slurm_says_where_how_long_and_with_what() -> None:
    found = look(SLURM, walltime_s=60, memory=5)
    assert (found.node, found.nodes, found.job) == ("nid000123", "nid[000123-000124]", "17")
    assert (found.cpus, found.memory, found.ends_at, found.walltime_s) == (128, 2 << 30, 4600, 3600)


def test_memory_for_each_core_is_counted_for_all_of_them() -> None:
    assert look({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "100"}).memory == 400 << 20


def test_what_was_asked_for_counts_where_the_node_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oom, "limit", lambda: 0)
    found = look({}, walltime_s=60, memory=5)
    assert found.memory == 5
    assert found.ends_at == pytest.approx(time.time() + 60, abs=5)
    assert found.walltime_s == pytest.approx(60)


def test_without_a_walltime_there_is_no_end() -> None:
    found = look({})
    assert (found.ends_at, found.walltime_s) == (None, 0.0)


def test_threads_are_few_unless_the_site_says_otherwise() -> None:
    environ = {"OMP_NUM_THREADS": "8"}
    few_threads(environ, 2)
    assert (environ["OMP_NUM_THREADS"], environ["OPENBLAS_NUM_THREADS"]) == ("8", "2")
