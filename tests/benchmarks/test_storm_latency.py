"""Live files beside a storm of bulk work, on real servers and processes: how much longer do they take than alone?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import pytest

from ..integration.rabbit_server import RabbitServer
from ..integration.servers import Process, wait_until
from .storm import BULK_RUN, Instance, Latency, cpu_s

TOGETHER = (("conductor",),)
APART = (("conductor", "--lanes", "live"), ("conductor", "--lanes", "bulk"))
BLOCK = 8
"""Live files in a row with bulk work frozen, and then beside it: who else uses the machine uses it in both."""


class Storm(NamedTuple):
    """An instance, and that of its two workers which takes bulk work: half of the machine."""

    instance: Instance
    bulk: Process


@contextmanager
def storm(
    folder: Path, url: str, rabbit: RabbitServer, name: str, *, cpu_ms: float, conductors: tuple[tuple[str, ...], ...]
) -> Iterator[Storm]:
    instance = Instance(folder, url, rabbit, name, cpu_ms)
    try:
        for words in (*conductors, ("sweeper",), ("worker", "--lanes", "live")):
            instance.start(*words)
        yield Storm(instance, instance.start("worker", "--lanes", "bulk"))
    finally:
        instance.close()


def test_live_files_go_through_beside_1500_bulk_files(
    tmp_path: Path, empty_database_url: str, rabbit: RabbitServer, rabbit_instance: str
) -> None:
    """On a machine that others use too, no more can be asked for than that live files do not queue behind bulk ones."""
    made = storm(tmp_path, empty_database_url, rabbit, rabbit_instance, cpu_ms=5, conductors=TOGETHER)
    with made as running:
        assert _measure(running, bulk_files=1500, blocks=5, enough=2.0) < 2.0


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("cpu_ms", "conductors", "limit"),
    [
        pytest.param(50, TOGETHER, 1.2, id="ordinary steps"),
        pytest.param(5, TOGETHER, 2.0, id="tiny steps"),
        pytest.param(5, APART, 2.0, id="tiny steps, two conductor processes"),
        pytest.param(0, TOGETHER, 2.0, id="instant steps"),
    ],
)
def test_live_files_keep_their_latency_beside_100000_bulk_files(
    tmp_path: Path,
    empty_database_url: str,
    rabbit: RabbitServer,
    rabbit_instance: str,
    cpu_ms: int,
    conductors: tuple[tuple[str, ...], ...],
    limit: float,
) -> None:
    """On a machine of two cores that has nothing else to do. Steps that take no time leave only what they cost us."""
    made = storm(tmp_path, empty_database_url, rabbit, rabbit_instance, cpu_ms=cpu_ms, conductors=conductors)
    with made as running:
        assert _measure(running, bulk_files=100_000, blocks=12, enough=0.0) < limit


def _measure(storm: Storm, *, bulk_files: int, blocks: int, enough: float) -> float:
    """Give the ratio of the medians beside bulk work and with it frozen: of all blocks, or the first good enough."""
    instance = storm.instance
    instance.fill(bulk_files)
    instance.live(BLOCK)
    print(f"\nidle: {Latency.of(instance.live(2 * BLOCK))}")
    began = time.monotonic()
    told = instance.command("reset", "--run", str(BULK_RUN), "--to", "arrived", "--reason", "a benchmark", "--yes")
    took = time.monotonic() - began
    print(f"{told.splitlines()[0][:50]}...: admitted in {took:.0f} s, {bulk_files / took:.0f} a second")
    wait_until(lambda: instance.bulk_steps() > 0, 60, "bulk work has begun")
    frozen, beside, rates, cores, ratio = list[float](), list[float](), list[float](), list[float](), float("inf")
    while len(rates) < blocks and ratio > enough:
        instance.freeze(storm.bulk)
        frozen += instance.live(BLOCK)
        instance.freeze(storm.bulk, thaw=True)
        before, used, began = instance.bulk_steps(), cpu_s(storm.bulk), time.monotonic()
        beside += instance.live(BLOCK)
        took = time.monotonic() - began
        rates.append((instance.bulk_steps() - before) / took)
        cores.append((cpu_s(storm.bulk) - used) / took)
        ratio = Latency.of(beside).median / Latency.of(frozen).median
        assert instance.bulk_lane(), "the storm is over; it should have lasted"
    print(f"bulk work frozen: {Latency.of(frozen)}")
    many = f"{mean(rates):.0f} bulk steps/s of a worker that takes {mean(cores):.2f} cores"
    print(f"beside {many}: {Latency.of(beside)}; ratio {ratio:.2f}")
    print(f"in the bulk lane at the end: {instance.bulk_lane()}")
    return ratio
