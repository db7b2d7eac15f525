"""Each place at which a conductor or a worker can die, exactly: nothing is lost, nothing is accepted twice."""

import itertools
from collections.abc import Iterator

import pytest

from .centre import Centre, step
from .conftest import Make
from .executions import executions
from .reckoning import reckon, rest

FILES = 4
STEPS = "\n".join(
    [
        step("salt", "salted", use="faults-write", owned_by="file"),
        step("place", "placed", makes="copy", owned_by="file"),
        step("catalog", "cataloged", makes="nothing", parcel=5),
    ]
)
CONDUCTOR = (
    "conductor before commit",
    "conductor between commit and publish",
    "conductor between publish and submit",
    "conductor between commit and ack",
    "conductor between ack and the run's move",
)
WORKER = (
    "worker after its last write",
    "worker after its report",
    "worker after its ack",
    "worker before its last write",
    "worker before its report",
    "worker before its ack",
)
IN_CI = 3
"""The later ones of the worker are tried by `make faults`."""
runs = itertools.count(1)


@pytest.fixture(scope="module")
def small(centres: Make) -> Iterator[Centre]:
    with centres(steps=STEPS) as centre:
        for name in ("conductor-0", "sweeper-0", "watch-0", "worker-0"):
            centre.add(name)
        centre.keep()
        yield centre


def _through(centre: Centre, point: str) -> int:
    """Send a run through while a process dies at a point; give how many steps were executed more than once."""
    before, run = executions(centre).again, next(runs)
    centre.order(point)
    for sequence in range(1, FILES + 1):
        centre.write(run, sequence)
    centre.close_run(run, FILES)
    assert centre.hit(point), f"nobody came to it: {point}\n{centre.last_words()}"
    rest(centre, run * FILES, 60)
    assert reckon(centre, run * FILES) == {"cataloged done": run * FILES}
    return executions(centre).again - before


@pytest.mark.parametrize("point", CONDUCTOR)
def test_a_conductor_that_dies_here_costs_nothing(small: Centre, point: str) -> None:
    assert _through(small, point) == 0


@pytest.mark.parametrize("point", [*WORKER[:IN_CI], *(pytest.param(p, marks=pytest.mark.long) for p in WORKER[IN_CI:])])
def test_a_worker_that_dies_here_costs_one_execution_at_most(small: Centre, point: str) -> None:
    assert _through(small, point) <= 1
