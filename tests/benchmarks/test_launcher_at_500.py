"""A launcher with 500 pilots between the doubles: one poll an interval at most, and under 1 % of a core.

`.venv/bin/python -m pytest tests/benchmarks/test_launcher_at_500.py -s` prints the numbers. The doubles' own work is
in them too.
"""

import random
import time
from pathlib import Path

import pytest

from headframe.daemon.slurm.contract import Standing
from headframe.statemachine.piloting import StepDemand

from ..unit.daemon.launcher.small_cluster import SmallCluster

PILOTS = 500
INTERVAL_S = 10.0


def filled(folder: Path) -> SmallCluster:
    """500 pilots of five names; most run, some wait."""
    names = {f"kind{n}": {"max": PILOTS // 5, "max_pending": PILOTS} for n in range(5)}
    cluster = SmallCluster(folder, {"interval_s": INTERVAL_S}, **names)
    cluster.service.demand = (StepDemand(step="reconstruct", waiting=1_000_000, mean_s=600.0, p95_s=900.0),)
    cluster.step(3)
    for job in list(cluster.batch.jobs)[: PILOTS * 9 // 10]:
        cluster.batch.start(job, f"nid{int(job):06}")
    cluster.step(2)
    assert len(cluster.batch.live()) == PILOTS
    return cluster


def lived(cluster: SmallCluster, seed: int) -> None:
    """Let a few jobs end and others start, as in any ten seconds of a large cluster."""
    draw = random.Random(seed)
    running = [job for job in cluster.batch.live() if job.standing is Standing.RUNNING]
    for job in draw.sample(running, 3):
        cluster.batch.end(job.job, draw.choice(("done", "walltime", "preempted")))
    for job in [job for job in cluster.batch.live() if job.standing is Standing.PENDING][:3]:
        cluster.batch.start(job.job, f"nid{draw.randrange(10**6):06}")


@pytest.mark.parametrize("rounds", [30, pytest.param(360, marks=pytest.mark.slow)])
def test_500_pilots_cost_one_poll_an_interval_and_under_a_hundredth_of_a_core(tmp_path: Path, rounds: int) -> None:
    cluster = filled(tmp_path)
    before = cluster.batch.calls.copy()
    spent = 0.0
    for number in range(rounds):
        lived(cluster, number)
        begun = time.process_time()
        cluster.launcher.round()
        spent += time.process_time() - begun
        cluster.clock.pass_by(INTERVAL_S)
        assert cluster.batch.calls["poll"] - before["poll"] == number + 1
    said = sum(len(one.seen) for one in cluster.service.rounds[-rounds:]) / rounds
    calls = {name: round(n / rounds, 2) for name, n in (cluster.batch.calls - before).items()}
    share = spent / rounds / INTERVAL_S
    print(f"\n{PILOTS} pilots, {rounds} rounds: {1000 * spent / rounds:.1f} ms of CPU a round, {share:.2%} of a core;")
    print(f"calls a round {calls}, {said:.1f} pilots told of")
    assert share < 0.01
    assert len(cluster.batch.live()) >= PILOTS - 10
    assert said < 20


def test_an_interval_is_kept_however_short_a_round_is(tmp_path: Path) -> None:
    """By the launcher's own loop, in real time: no more polls than intervals have begun."""
    import threading

    cluster = SmallCluster(tmp_path, {"interval_s": 0.2})
    cluster.work(1000)
    begun = time.monotonic()
    running = threading.Thread(target=cluster.launcher.run)
    running.start()
    while cluster.batch.calls["poll"] < 5:
        assert time.monotonic() - begun < 60
        cluster.stop.wait(0.01)
    lasted = time.monotonic() - begun
    cluster.stop.set()
    running.join(30)
    assert cluster.batch.calls["poll"] <= 1 + lasted / 0.2 + 1
