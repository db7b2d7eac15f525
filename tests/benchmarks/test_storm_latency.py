"""Live files beside a storm of bulk work, on real servers and processes: how much longer do they take than alone?"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from ..integration.rabbit_server import RabbitServer
from ..integration.servers import wait_until
from .storm import BULK_RUN, Instance, Latency

WHY = ("--reason", "a benchmark", "--yes")
SETTLED_S = 8.0
"""Workers learn of a pause within `presence_s`."""


class Round(NamedTuple):
    """Live files with bulk work paused, and beside it; how many bulk steps were done a second meanwhile."""

    paused: Latency
    beside: Latency
    rate: float

    @property
    def ratio(self) -> float:
        return self.beside.median / self.paused.median


@contextmanager
def storm(folder: Path, url: str, rabbit: RabbitServer, name: str, *, cpu_ms: float) -> Iterator[Instance]:
    """Run an instance whose workers are two, of which one takes bulk work: half of the machine."""
    instance = Instance(folder, url, rabbit, name, cpu_ms)
    try:
        instance.start("conductor")
        instance.start("sweeper")
        instance.start("worker", "--lanes", "live")
        instance.start("worker", "--lanes", "live,bulk")
        yield instance
    finally:
        instance.close()


def test_live_files_go_through_beside_3000_bulk_files(
    tmp_path: Path, empty_database_url: str, rabbit: RabbitServer, rabbit_instance: str
) -> None:
    """On a machine that others use too, no more can be asked for than that live files do not queue behind bulk ones."""
    with storm(tmp_path, empty_database_url, rabbit, rabbit_instance, cpu_ms=5) as instance:
        best = _measure(instance, bulk_files=6000, live_files=25, rounds=4, enough=0.1)
    assert best < 2.0


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("cpu_ms", [5, 0], ids=["ordinary steps", "instant steps"])
def test_live_files_keep_their_latency_beside_100000_bulk_files(
    tmp_path: Path, empty_database_url: str, rabbit: RabbitServer, rabbit_instance: str, cpu_ms: int
) -> None:
    """On a machine that has nothing else to do."""
    with storm(tmp_path, empty_database_url, rabbit, rabbit_instance, cpu_ms=cpu_ms) as instance:
        best = _measure(instance, bulk_files=100_000, live_files=60, rounds=5, enough=0.0)
    assert best < 1.2 if cpu_ms else best < 2.0


def _measure(instance: Instance, *, bulk_files: int, live_files: int, rounds: int, enough: float) -> float:
    """Give the ratio of the medians beside and without bulk work: that of all rounds, or the first good enough one."""
    instance.fill(bulk_files)
    instance.live(live_files)
    idle = instance.live(live_files)
    print(f"\nidle, {bulk_files:,} files done: {idle}")
    began = time.monotonic()
    told = instance.command("reset", "--run", str(BULK_RUN), "--to", "arrived", *WHY)
    took = time.monotonic() - began
    print(f"{told.splitlines()[0][:60]}... admitted in {took:.0f} s, {bulk_files / took:.0f} a second")
    done = list[Round]()
    while len(done) < rounds and not (done and done[-1].ratio < enough):
        done.append(_round(instance, live_files))
        assert instance.bulk_lane(), "the storm is over; it should have lasted"
    ratio = statistics.median([each.beside.median for each in done]) / statistics.median(
        [each.paused.median for each in done]
    )
    print(f"beside bulk work live files take {ratio:.2f} times as long as with it paused")
    return min(ratio, done[-1].ratio) if enough else ratio


def _round(instance: Instance, live_files: int) -> Round:
    instance.command("pause", "--lane", "bulk", *WHY)
    wait_until(lambda: _still(instance), 60, "bulk work rests")
    paused = instance.live(live_files)
    instance.command("resume", "--lane", "bulk", *WHY)
    before = instance.bulk_steps()
    wait_until(lambda: instance.bulk_steps() > before, 60, "bulk work goes on")
    before, began = instance.bulk_steps(), time.monotonic()
    beside = instance.live(live_files)
    rate = (instance.bulk_steps() - before) / (time.monotonic() - began)
    found = Round(paused, beside, rate)
    print(f"paused: {paused}; beside {rate:.0f} bulk steps/s: {beside}; ratio {found.ratio:.2f}")
    return found


def _still(instance: Instance) -> bool:
    """Say whether bulk files have stopped moving: reports of what was under way have been applied too."""
    before = instance.bulk_steps()
    time.sleep(2.0)  # that nothing happens meanwhile is what is asked
    return instance.bulk_steps() == before
