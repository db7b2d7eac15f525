"""Names that are refused, or whose pilots die as they start, rest: longer each time, and they say why."""

from pathlib import Path

import pytest

from .small_cluster import SmallCluster, configured

NO = "sbatch: error: invalid partition specified: relatime"


def refused(folder: Path) -> SmallCluster:
    cluster = SmallCluster(folder)
    cluster.batch.refuse = lambda wanted: NO
    cluster.work(1000)
    return cluster


def test_a_refused_name_is_not_submitted_again_and_again(tmp_path: Path) -> None:
    cluster = refused(tmp_path)
    cluster.step(6)
    assert cluster.batch.calls["submit"] == 1
    assert cluster.trouble["reco"].startswith(f"{NO}; tried again from 2026-03-01 12:01:00 UTC")
    cluster.step(6 * 60)
    # after 60 s, 120 s, 240 s, ...
    assert 5 <= cluster.batch.calls["submit"] <= 7
    assert "times in a row" in cluster.trouble["reco"]
    assert cluster.service.status()["refused"] == cluster.batch.calls["submit"]


def test_it_rests_no_longer_than_the_most(tmp_path: Path) -> None:
    cluster = refused(tmp_path)
    cluster.step(6 * 60 * 6)
    before = cluster.batch.calls["submit"]
    cluster.step(6 * 60 * 4)
    assert 3 <= cluster.batch.calls["submit"] - before <= 4


def test_a_launcher_that_was_restarted_does_not_forget(tmp_path: Path) -> None:
    cluster = refused(tmp_path)
    cluster.step(2)
    cluster.started(cluster.config)
    cluster.step(3)
    assert cluster.batch.calls["submit"] == 1


def test_a_launcher_that_comes_back_after_an_hour_rests_as_long_as_before(tmp_path: Path) -> None:
    cluster = refused(tmp_path)
    cluster.step(6 * 60 * 6)
    before = cluster.batch.calls["submit"]
    cluster.clock.pass_by(3600)
    cluster.started(cluster.config)
    cluster.step(6 * 50)
    assert cluster.batch.calls["submit"] - before <= 2
    assert "times in a row" in cluster.trouble["reco"]


def test_a_refusal_of_last_week_is_forgotten_though_the_service_still_names_it(tmp_path: Path) -> None:
    cluster = refused(tmp_path)
    cluster.step(6)
    cluster.clock.pass_by(7 * 24 * 3600)
    cluster.batch.refuse = lambda wanted: ""
    cluster.started(cluster.config)
    cluster.step(2)
    assert len(cluster.batch.jobs) == 4
    assert cluster.trouble == {}


def test_who_changes_the_configuration_begins_anew(tmp_path: Path) -> None:
    cluster = refused(tmp_path)
    cluster.step(2)
    cluster.batch.refuse = lambda wanted: ""
    cluster.started(configured(tmp_path, reco={"partition": "realtime"}))
    cluster.step(2)
    assert len(cluster.batch.jobs) == 4
    assert cluster.trouble == {}


def test_after_a_rest_one_pilot_is_tried_and_the_others_once_it_is_taken(tmp_path: Path) -> None:
    cluster = refused(tmp_path)
    cluster.step(2)
    cluster.batch.refuse = lambda wanted: ""
    cluster.step(5)
    assert len(cluster.batch.jobs) == 1
    cluster.step(2)
    assert len(cluster.batch.jobs) == 4
    assert cluster.trouble == {}


def test_after_deaths_the_others_wait_until_one_has_lived(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path)
    cluster.work(1000)
    cluster.step(2)
    for job in cluster.batch.live():
        cluster.batch.start(job.job)
        cluster.batch.end(job.job, "failed", "FAILED", "exit code 127")
    cluster.step(20)
    (last,) = cluster.batch.live()
    assert len(cluster.batch.jobs) == 5
    cluster.batch.start(last.job)
    cluster.step(5)
    assert len(cluster.batch.jobs) == 5
    cluster.step(4)
    assert len(cluster.batch.jobs) == 8
    assert cluster.trouble == {}


@pytest.mark.parametrize(("code", "state"), [("failed", "FAILED"), ("done", "COMPLETED")])
def test_pilots_that_die_as_they_start_are_not_started_without_end(tmp_path: Path, code: str, state: str) -> None:
    cluster = SmallCluster(tmp_path, reco={"max": 1})
    cluster.work(1000)
    for _ in range(360):
        for job in cluster.batch.live():
            cluster.batch.start(job.job, "n4")
            cluster.batch.end(job.job, code, state, "exit code 1")
        cluster.step()
    assert len(cluster.batch.jobs) <= 10
    assert "ended on n4 before it did anything: exit code 1" in cluster.trouble["reco"]


def test_pilots_that_were_cancelled_or_preempted_are_started_again(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path, reco={"max": 1})
    cluster.work(1000)
    for _ in range(20):
        for job in cluster.batch.live():
            cluster.batch.start(job.job)
            cluster.batch.end(job.job, "preempted", "PREEMPTED")
        cluster.step()
    assert len(cluster.batch.jobs) >= 9


def test_a_name_that_rests_leaves_the_work_to_the_next(tmp_path: Path) -> None:
    both = {"realtime": {"max": 2}, "shared": {"max": 8}}
    cluster = SmallCluster(tmp_path, **both)
    cluster.work(100)
    cluster.step(2)
    assert {row.name for row in cluster.rows} == {"realtime", "shared"}
    assert sum(row.name == "shared" for row in cluster.rows) == 1
    cluster.batch.refuse = lambda wanted: NO if "--name realtime" in wanted.script else ""
    for job in cluster.batch.live():
        cluster.batch.end(job.job, "cancelled", "CANCELLED")
    cluster.step(4)
    alive = [row.name for row in cluster.rows if row.status == "pending"]
    assert alive == ["shared"] * 3


def test_a_script_that_no_shell_would_run_is_never_submitted(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path, reco={"script": ["export NAME='open"]})
    cluster.work(10)
    cluster.step(5)
    assert cluster.service.rows == {}
    assert cluster.trouble["reco"].startswith("pilot.reco.script: bash does not understand it: ")


def test_a_folder_of_logs_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "pilots").write_text("no folder")
    cluster = SmallCluster(tmp_path)
    cluster.work(10)
    cluster.step(2)
    assert cluster.batch.calls["submit"] == 0
    assert cluster.trouble["reco"].startswith(f"launcher.logs: {tmp_path}/pilots cannot be made")


def test_a_name_does_not_rest_for_pilots_that_died_on_a_node_that_is_set_aside(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path)
    cluster.work(1000)
    cluster.step(2)
    for job in cluster.batch.live()[:3]:
        cluster.batch.start(job.job, "n4")
        cluster.batch.end(job.job, "failed", "FAILED", "exit code 7")
    cluster.step(2)
    assert "ended on n4 before it did anything" in cluster.trouble["reco"]
    before = len(cluster.batch.jobs)
    cluster.service.set_aside = {"n4": "3 pilots of reco died in a row"}
    cluster.step(2)
    assert cluster.trouble == {}
    assert len(cluster.batch.jobs) > before
    assert "--exclude=n4" in cluster.batch.scripts[str(len(cluster.batch.jobs))]
