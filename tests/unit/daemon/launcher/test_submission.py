"""Whatever is lost on the way, each intent has one job at most, and no job is lost."""

import random
from pathlib import Path

import pytest

from headframe.daemon.slurm.contract import Standing

from ....launcher_double import at_random
from .small_cluster import SmallCluster

SEEDS = 240


def storm(folder: Path, seed: int) -> SmallCluster:
    """Answers lost, refusals, slurmctld and the service away, pilots that end, the launcher killed: at random."""
    draw = random.Random(seed)
    cluster = SmallCluster(folder, {"grace_s": 40, "refused_s": 5, "refused_max_s": 20})
    cluster.batch.lose = at_random(seed, share=0.4)
    cluster.batch.refuse = lambda wanted: "no more jobs now" if draw.random() < 0.1 else ""
    cluster.batch.counts = draw.random() < 0.5
    for _ in range(60):
        cluster.work(draw.choice((0, 5, 100, 100)))
        cluster.batch.away, cluster.service.away = draw.random() < 0.2, draw.random() < 0.2
        if draw.random() < 0.1:
            cluster.started(cluster.config)
        for job in cluster.batch.live():
            if job.standing is Standing.PENDING and draw.random() < 0.3:
                cluster.batch.start(job.job)
            elif job.standing is Standing.RUNNING and draw.random() < 0.1:
                cluster.batch.end(job.job, draw.choice(("done", "failed", "preempted", "walltime")))
        cluster.step()
        assert len(cluster.batch.live()) <= 4 + sum(row.code == "vanished" for row in cluster.rows)
    return cluster


@pytest.mark.parametrize("block", range(8))
def test_no_intent_has_two_jobs_and_none_is_lost(tmp_path: Path, block: int) -> None:
    for seed in range(block * SEEDS // 8, (block + 1) * SEEDS // 8):
        cluster = storm(tmp_path, seed)
        cluster.batch.away = cluster.service.away = False
        cluster.batch.lose = lambda: ""
        cluster.work(0)
        cluster.step(12)
        for token, row in cluster.service.rows.items():
            jobs = cluster.batch.of(token)
            assert len(jobs) <= 1, f"seed {seed}: {token} has {len(jobs)} jobs"
            assert row.status != "intended", f"seed {seed}: nobody knows what became of {token}"
            if jobs:
                assert row.job == jobs[0].job, f"seed {seed}: job {jobs[0].job} of {token} is lost"
            else:
                assert row.status in ("refused", "ended"), f"seed {seed}: {token} is {row.status} without a job"
        assert {job.token for job in cluster.batch.jobs.values()} <= cluster.service.rows.keys(), f"seed {seed}"


def test_an_answer_that_is_lost_after_the_job_was_taken_is_found_by_its_name(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path)
    cluster.batch.lose = lambda: "after"
    cluster.work(1)
    cluster.step(2)
    cluster.step()
    assert (cluster.row().status, cluster.row().job) == ("pending", "1")
    assert cluster.batch.calls["submit"] == 1


def test_one_that_is_lost_before_is_given_up_after_two_looks_and_the_time_of_grace(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path, {"grace_s": 300})
    cluster.batch.lose = lambda: "before"
    cluster.work(1)
    cluster.step(30)
    assert cluster.service.status() == {"intended": 1}
    assert cluster.batch.calls["submit"] == 1
    cluster.step(3)
    assert cluster.row().code == "vanished"
    assert "sbatch did not answer within 30 s" in cluster.row().reason
    assert cluster.batch.calls["find"] == 2


def test_what_was_certainly_not_submitted_is_submitted_once_slurm_is_back(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path)
    cluster.work(1)
    answers = iter(("slurmctld goes away in this moment", ""))

    def away_once(wanted: object) -> str:
        if next(answers, ""):
            from headframe.daemon.slurm.contract import AwayError

            raise AwayError("unable to contact slurm controller")
        return ""

    cluster.batch.refuse = away_once
    cluster.step(3)
    assert [row.status for row in cluster.rows] == ["pending"]
    assert len(cluster.batch.jobs) == 1


def test_pilots_that_the_service_wrote_down_without_an_answer_are_submitted(tmp_path: Path) -> None:
    from headframe.client import UnreachableError

    cluster = SmallCluster(tmp_path)
    cluster.work(1)
    intend = cluster.service.intend

    def unheard(launcher: str, wishes: list[object]) -> None:
        intend(launcher, wishes)  # type: ignore[arg-type]
        cluster.service.intend = intend  # type: ignore[method-assign]
        raise UnreachableError("no answer")

    cluster.service.intend = unheard  # type: ignore[method-assign, assignment]
    cluster.step()
    assert cluster.batch.jobs == {}
    cluster.step(2)
    assert [row.status for row in cluster.rows] == ["pending"]
    assert len(cluster.batch.jobs) == 1


def test_the_sites_own_lines_are_told_with_what_was_asked_for(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path, reco={"script": ["module load python", "umask 002"]})
    cluster.work(1)
    cluster.step(2)
    (wish,) = cluster.service.wishes.values()
    assert wish.request["script"] == "module load python\numask 002"


def test_of_a_long_script_so_much_is_told_as_people_read(tmp_path: Path) -> None:
    cluster = SmallCluster(tmp_path, reco={"script": [f"export GREETING_{n}=grüezi" for n in range(1000)]})
    cluster.work(1)
    cluster.step(2)
    (wish,) = cluster.service.wishes.values()
    script = wish.request["script"]
    assert script.startswith("export GREETING_0=grüezi\n")
    assert script.endswith("# ... (cut here)")
    assert 4000 < len(script.encode()) < 4200
