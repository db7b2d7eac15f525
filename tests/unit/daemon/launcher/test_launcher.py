"""A launcher's rounds: from work to pilots, and what it makes of what becomes of them."""

import threading
from pathlib import Path

import pytest

from headframe.client import ProblemError
from headframe.daemon.config.errors import ConfigError
from headframe.daemon.launcher.running import make
from headframe.daemon.launcher.sizing import Kind
from headframe.daemon.slurm.contract import Standing

from .small_cluster import SmallCluster, configured


def test_a_pilot_is_written_down_before_it_is_submitted(cluster: SmallCluster) -> None:
    cluster.work(5)
    cluster.batch.refuse = lambda wanted: "" if wanted.token in cluster.service.rows else "nobody wrote it down"
    cluster.step(2)
    assert [row.status for row in cluster.rows] == ["pending"]
    wish = cluster.service.wishes[cluster.row().token]
    assert (wish.name, wish.steps, wish.request["walltime_s"]) == ("reco", ("reconstruct",), 4 * 3600)


def test_as_many_as_the_work_needs_and_not_one_a_file(cluster: SmallCluster) -> None:
    cluster.work(100, mean_s=60)  # 6,000 s of work, 4 workers, 600 s
    cluster.step(3)
    assert len(cluster.batch.jobs) == 3


def test_a_pilot_goes_through_its_life(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.step(2)
    assert (cluster.row().status, cluster.row().job) == ("pending", "1")
    cluster.batch.start("1", "n3")
    cluster.step()
    assert (cluster.row().status, cluster.row().node) == ("running", "n3")
    cluster.work(0)
    cluster.batch.end("1")
    cluster.step(3)
    assert (cluster.row().status, cluster.row().code) == ("ended", "done")
    assert cluster.service.usage[cluster.row().token]["cpu_s"] == 60
    assert cluster.batch.live() == []


def test_a_round_is_one_poll_and_says_only_what_is_new(cluster: SmallCluster) -> None:
    cluster.work(100)
    cluster.step(10)
    assert cluster.batch.calls["poll"] == 10
    assert len(cluster.service.rounds) == 10
    assert sum(len(one.seen) for one in cluster.service.rounds) == len(cluster.batch.jobs)


def test_while_the_batch_system_is_away_nothing_is_judged_and_nothing_submitted(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.step(2)
    cluster.batch.start("1")
    cluster.step()
    cluster.batch.away = True
    cluster.work(1000)
    cluster.step(100)
    assert cluster.service.status() == {"running": 1}
    assert "does not answer" in cluster.trouble["reco"]
    cluster.batch.away = False
    cluster.step(2)
    assert cluster.trouble == {}
    assert len(cluster.batch.jobs) == 4


def test_a_pilot_that_no_list_shows_is_not_over_before_accounting_says_so(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.step(2)
    cluster.batch.start("1")
    cluster.step()
    cluster.batch.hidden.add("1")
    cluster.step(5)
    assert cluster.row().status == "running"
    cluster.batch.end("1", "memory", "OUT_OF_MEMORY")
    cluster.step(2)
    assert (cluster.row().status, cluster.row().code) == ("ended", "memory")


def test_what_accounting_says_of_an_earlier_job_of_its_number_ends_no_pilot(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.step(2)
    cluster.batch.start("1")
    cluster.step()
    cluster.batch.recorded = "somebody-elses"
    cluster.batch.hidden.add("1")
    cluster.batch.end("1", "memory", "OUT_OF_MEMORY")
    cluster.step(5)
    assert cluster.row().status == "running"


def test_without_accounting_it_takes_the_time_of_grace_and_silence(cluster: SmallCluster) -> None:
    cluster.batch.counts = False
    cluster.work(1)
    cluster.step(2)
    token = cluster.row().token
    cluster.batch.start("1")
    cluster.step()
    cluster.batch.hidden.add("1")
    cluster.step(20)
    cluster.service.heard(token)
    cluster.step(25)
    assert cluster.row(token).status == "running"
    cluster.step(10)
    assert (cluster.row(token).status, cluster.row(token).code) == ("ended", "vanished")


def test_a_vanished_pilot_that_comes_back_is_ended(cluster: SmallCluster) -> None:
    cluster.batch.counts = False
    cluster.work(1)
    cluster.step(2)
    cluster.batch.hidden.add("1")
    cluster.step(40)
    assert cluster.row().code == "vanished"
    cluster.batch.hidden.clear()
    cluster.step()
    assert cluster.batch.cancelled == ["1"]


def test_it_tells_how_often_it_comes_and_how_many_pilots_it_wants(cluster: SmallCluster) -> None:
    cluster.work(1000)
    cluster.step(2)
    assert (cluster.service.rounds[-1].interval_s, cluster.service.rounds[-1].wanted) == (10, {"reco": 4})
    cluster.work(0)
    cluster.step(2)
    assert cluster.service.rounds[-1].wanted == {"reco": 0}


def test_a_job_that_was_requeued_is_told_as_such(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.step(2)
    cluster.batch.start("1")
    cluster.step()
    cluster.batch.requeue("1")
    cluster.step()
    assert (cluster.row().status, cluster.row().restarts) == ("pending", 1)


@pytest.mark.parametrize(
    ("down", "reason", "code"),
    [
        ("", "BeginTime", ""),
        ("n1", "BeginTime", "node-failed"),
        ("n2", "BeginTime", ""),
        ("n1", "Preempted", "preempted"),
    ],
)
def test_a_requeue_says_what_became_of_the_start_before_where_that_can_be_known(
    cluster: SmallCluster, down: str, reason: str, code: str
) -> None:
    cluster.work(2000)
    cluster.step(2)
    for job in ("1", "2"):
        cluster.batch.start(job, "n1")
    cluster.step()
    cluster.batch.down.add(down)
    for job in ("1", "2"):
        cluster.batch.requeue(job, reason)
    asked = cluster.batch.calls["nodes"]
    cluster.step()
    told = [seen for seen in cluster.service.rounds[-1].seen if seen.restarts]
    assert [(seen.status, seen.code) for seen in told] == [("pending", code)] * 2
    assert cluster.batch.calls["nodes"] - asked <= 1


def test_a_pilot_that_was_heard_of_runs_though_the_list_is_late(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.step(2)
    cluster.service.heard(cluster.row().token)
    cluster.step(3)
    assert cluster.row().status == "running"


def test_operators_orders_are_carried_out(cluster: SmallCluster) -> None:
    cluster.work(100)
    cluster.step(2)
    cluster.batch.start("1")
    cluster.batch.start("2")
    cluster.step()
    first, second, third = (row.token for row in cluster.rows)
    cluster.service.tell(first, "drain")
    cluster.service.tell(second, "cancel")
    cluster.service.tell(third, "drain")
    cluster.step(2)
    assert cluster.batch.drained == ["1"]
    assert cluster.batch.cancelled == ["2", "3"]
    assert cluster.row(third).code == "cancelled"
    cluster.step(7)
    assert cluster.batch.drained == ["1", "1"]


def test_pilots_leave_a_node_that_is_set_aside_and_none_goes_there(cluster: SmallCluster) -> None:
    cluster.work(50)
    cluster.step(2)
    cluster.batch.start("1", "n[2-3]")
    cluster.step()
    cluster.service.set_aside = {"n3": "attempts die there", "elsewhere": "no node of this cluster"}
    cluster.step(2)
    assert cluster.batch.drained == ["1"]
    newest = list(cluster.batch.scripts.values())[-1]
    assert "#SBATCH --exclude=n3\n" in newest
    assert cluster.batch.calls["nodes"] == 1


def test_waiting_pilots_that_are_too_many_for_a_while_are_taken_back(cluster: SmallCluster) -> None:
    cluster.work(100)
    cluster.step(2)
    assert len(cluster.batch.live()) == 3
    cluster.batch.start("1")
    cluster.work(0, executing=4)
    cluster.step(2)
    assert cluster.batch.cancelled == []
    cluster.step(3)
    assert sorted(cluster.batch.cancelled) == ["2", "3"]
    assert {row.code for row in cluster.rows if row.status == "ended"} == {"withdrawn"}
    assert [job.job for job in cluster.batch.live()] == ["1"]


def test_while_the_service_is_away_nothing_is_submitted_and_all_is_told_later(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.step(2)
    cluster.service.away = True
    cluster.batch.start("1")
    cluster.step()
    cluster.batch.end("1", "walltime", "TIMEOUT")
    cluster.step(5)
    assert len(cluster.batch.jobs) == 1
    assert cluster.batch.calls["poll"] == 8
    cluster.service.away = False
    cluster.step()
    assert (cluster.row().status, cluster.row().code) == ("ended", "walltime")


def test_a_launcher_that_was_restarted_goes_on_with_its_pilots(cluster: SmallCluster) -> None:
    cluster.work(100)
    cluster.step(2)
    cluster.started(cluster.config)
    cluster.batch.start("1")
    cluster.step(3)
    assert cluster.service.status() == {"running": 1, "pending": 2}
    assert len(cluster.batch.jobs) == 3


def test_a_launcher_that_died_between_intent_and_submission_submits_nothing_twice(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.batch.away = True
    cluster.launcher.tell()
    cluster.batch.away = False
    cluster.launcher.submitting.intend({Kind(name="reco"): 1}, cluster.clock())
    lost = cluster.row().token
    cluster.started(cluster.config)
    cluster.step(29)
    assert cluster.batch.jobs == {}
    cluster.step(120)
    assert cluster.row(lost).code == "vanished"
    assert [job.token for job in cluster.batch.jobs.values()] == [cluster.rows[1].token]


@pytest.mark.parametrize("status", [401, 403])
def test_a_launcher_that_is_not_let_in_says_so_and_leaves(cluster: SmallCluster, status: int) -> None:
    cluster.service.raises = [ProblemError(status, "no", "the token is not known", {})] * 2
    with pytest.raises(ProblemError, match="not known"):
        cluster.launcher.run()


def test_one_that_was_let_in_before_asks_again_first(cluster: SmallCluster) -> None:
    cluster.step()
    cluster.service.raises = [ProblemError(401, "no", "the token is not known", {})] * 2
    cluster.step(3)
    cluster.service.raises = [ProblemError(401, "no", "the token is not known", {})] * 9
    with pytest.raises(ProblemError):
        cluster.step(3)


def test_beside_another_launcher_of_its_name_it_waits(cluster: SmallCluster) -> None:
    cluster.work(10)
    cluster.service.raises = [ProblemError(409, "no", "launcher main is at work on login2", {})] * 5
    cluster.step(5)
    assert cluster.batch.calls["submit"] == 0
    cluster.step(2)
    assert cluster.service.status() == {"pending": 1}


def test_what_cannot_be_known_of_one_pilot_stops_no_other(cluster: SmallCluster) -> None:
    cluster.work(100)

    def broken(wanted: object) -> str:
        if len(cluster.batch.jobs) == 0 and cluster.batch.calls["submit"] == 1:
            raise RuntimeError("what is this?")
        return ""

    cluster.batch.refuse = broken
    cluster.step(4)
    assert cluster.service.status() == {"intended": 1, "pending": 2}


def test_pilots_of_a_name_that_is_not_configured_any_more_are_taken_back(cluster: SmallCluster, tmp_path: Path) -> None:
    cluster.work(1)
    cluster.step(2)
    cluster.started(configured(tmp_path, other={"steps": ["salt"]}))
    cluster.step(5)
    assert cluster.row().code == "withdrawn"


def test_large_work_gets_large_pilots(cluster: SmallCluster) -> None:
    cluster.work(10, large=2)
    cluster.step(2)
    assert sorted(row.large for row in cluster.rows) == [False, True]
    script = next(s for s in cluster.batch.scripts.values() if "--large" in s)
    assert "#SBATCH --time=0-08:00:00\n" in script


def test_when_told_to_stop_it_leaves_its_pilots_running(cluster: SmallCluster) -> None:
    cluster.work(1)
    cluster.step(2)
    cluster.stop.set()
    cluster.launcher.run()
    assert [job.standing for job in cluster.batch.live()] == [Standing.PENDING]


def test_a_launcher_without_an_address_of_the_service_is_a_mistake(tmp_path: Path) -> None:
    config = configured(tmp_path, {"url": ""})  # a node may have such a one: it asks no service
    with pytest.raises(ConfigError, match=r"launcher\.url: is missing"):
        make(config, threading.Event(), "owner")
