"""A conductor that stands still at an exact place, and wakes when another has taken over: nothing comes of it."""

import itertools
import time
from collections.abc import Iterator

import pytest

from ..integration.servers import wait_until
from .centre import Centre
from .conftest import Make
from .executions import executions
from .member import Member
from .reckoning import reckon, rest
from .test_crash_points import STEPS

FILES = 6
ANSWER_S = 12
"""PostgreSQL ends a transaction in which nothing happens after half of it."""
IN_A_TRANSACTION = ("conductor before commit", "conductor between publish and submit")
POINTS = (
    "conductor between commit and publish",
    *(pytest.param(point, marks=pytest.mark.long) for point in (*IN_A_TRANSACTION, "conductor between commit and ack")),
)
HEARD = "select count(*) from process where role = 'conductor' and seen_at > :since"
ITEMS = "select id, version, state, phase, epoch from item order by id"
runs = itertools.count(1)


@pytest.fixture(scope="module")
def pair(centres: Make) -> Iterator[Centre]:
    with centres(steps=STEPS) as centre:
        for name in ("conductor-0", "conductor-1"):
            centre.add(name, {"HEADFRAME_FAULTS_ANSWER_S": str(ANSWER_S)}, proxied=True)
        for name in ("sweeper-0", "watch-0", "worker-0", "worker-1"):
            centre.add(name)
        yield centre


@pytest.mark.parametrize("point", POINTS)
def test_a_conductor_that_wakes_when_all_is_done_changes_nothing(pair: Centre, point: str) -> None:
    before = executions(pair).again
    frozen = _frozen_at(pair, point)
    rest(pair, len(pair.written), 90)
    stood = pair.rows(ITEMS)
    _wake(pair, frozen)
    assert pair.rows(ITEMS) == stood
    _reckon(pair, point, before)


@pytest.mark.long
@pytest.mark.parametrize("point", IN_A_TRANSACTION)
def test_a_conductor_that_wakes_in_its_open_transaction_does_nothing_twice(pair: Centre, point: str) -> None:
    before = executions(pair).again
    frozen = _frozen_at(pair, point)
    time.sleep(ANSWER_S / 4)  # the other one has its messages by now, and waits for its locks
    _wake(pair, frozen)
    rest(pair, len(pair.written), 60)
    _reckon(pair, point, before)


def _frozen_at(centre: Centre, point: str) -> Member:
    """Send a run until a conductor stands still; RabbitMQ gives what it had to the other one at once."""
    run = next(runs)
    centre.order(point, freeze=True)
    for sequence in range(1, FILES + 1):
        centre.write(run, sequence)
    centre.close_run(run, FILES)
    assert centre.hit(point), f"nobody came to it: {point}\n{centre.last_words()}"
    frozen = centre.frozen_at_point()
    frozen.proxies["broker"].cut()
    return frozen


def _wake(centre: Centre, frozen: Member) -> None:
    """Let it go on, until both conductors are heard of again."""
    now = centre.value("select clock_timestamp()")
    frozen.thaw()
    wait_until(lambda: centre.value(HEARD, since=now) == 2, 60, "both conductors are heard of")


def _reckon(centre: Centre, point: str, before: int) -> None:
    files = len(centre.written)
    assert reckon(centre, files) == {"cataloged done": files}
    again = executions(centre).again - before
    print(f"\nfrozen {point.removeprefix('conductor ')}: 0 lost, 0 accepted twice, {again} executions twice")
    assert again <= FILES
