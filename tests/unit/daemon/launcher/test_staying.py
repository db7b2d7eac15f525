"""The least number of pilots: they stay though idle, and the next one is there before one ends."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from headframe.daemon.slurm.contract import Standing

from .small_cluster import SmallCluster, configured

WALLTIME_S, DRAIN_S = 4 * 3600, 120


@pytest.fixture
def two(tmp_path: Path) -> SmallCluster:
    made = SmallCluster(tmp_path, reco={"min": 2})
    made.step(2)
    return made


def begin(cluster: SmallCluster, *jobs: str, left_s: float = WALLTIME_S) -> None:
    """Let jobs run, so long before the ends of their walltimes."""
    for job in jobs:
        cluster.batch.start(job)
        ends_at = cluster.clock() + timedelta(seconds=left_s)
        cluster.batch.jobs[job] = replace(cluster.batch.jobs[job], ends_at=ends_at)


def staying(cluster: SmallCluster) -> list[bool]:
    return ["--stay" in cluster.batch.scripts[job.job] for job in cluster.batch.live()]


def test_as_many_as_the_least_are_told_to_stay_and_the_others_are_not(two: SmallCluster) -> None:
    assert staying(two) == [True, True]
    assert [row.stay for row in two.rows] == [True, True]
    two.work(1000, mean_s=600)
    two.step(2)
    assert staying(two) == [True, True, False, False]


def test_while_they_run_idle_nothing_is_started_or_withdrawn(two: SmallCluster) -> None:
    begin(two, "1", "2")
    two.step(100)
    assert len(two.batch.jobs) == 2
    assert not two.batch.drained and not two.batch.cancelled


def test_the_next_one_is_asked_for_before_one_ends_and_only_once(two: SmallCluster) -> None:
    begin(two, "1", left_s=DRAIN_S + 320)
    begin(two, "2")
    two.step(2)
    assert len(two.batch.jobs) == 2
    two.clock.pass_by(30)
    two.step(5)
    assert staying(two) == [True, True, True]
    begin(two, "3")
    two.batch.end("1")
    two.step(5)
    assert [job.job for job in two.batch.live()] == ["2", "3"]


def test_one_that_ends_where_there_is_no_room_for_two_is_followed_at_once(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path, reco={"min": 1, "max": 1})
    cluster.step(2)
    begin(cluster, "1", left_s=60)
    cluster.step(2)
    assert len(cluster.batch.jobs) == 1
    cluster.batch.end("1")
    cluster.step(2)
    assert staying(cluster) == [True]


def test_fewer_to_keep_are_drained_though_they_would_stay(two: SmallCluster, tmp_path: Path) -> None:
    begin(two, "1", "2")
    two.step()
    two.started(configured(tmp_path, reco={"min": 1}))
    two.step(5)
    assert two.batch.drained == ["1"]
    two.clock.pass_by(60)
    two.step()
    assert two.batch.drained == ["1", "1"], "told once more while it is there"
    two.batch.end("1")
    two.step(5)
    assert [job.job for job in two.batch.live()] == ["2"]


def test_of_a_name_that_is_not_configured_any_more_none_stays(two: SmallCluster, tmp_path: Path) -> None:
    begin(two, "1", "2")
    two.step()
    two.started(configured(tmp_path, other={}))
    two.step(5)
    assert sorted(two.batch.drained) == ["1", "2"]


def test_one_that_stays_makes_room_for_a_large_one_and_comes_back(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path, reco={"min": 1, "max": 1})
    cluster.step(2)
    begin(cluster, "1")
    cluster.step()
    cluster.work(1, large=1)
    cluster.step(4)
    assert cluster.batch.drained == ["1"]
    cluster.batch.end("1")
    cluster.step(2)
    assert "--large" in cluster.batch.scripts["2"]
    begin(cluster, "2")
    cluster.work(0)
    cluster.step(2)
    cluster.batch.end("2")
    cluster.step(2)
    assert staying(cluster) == [True]
    assert cluster.batch.jobs["3"].standing is Standing.PENDING
