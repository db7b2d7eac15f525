"""Leases on real servers and processes: who is dead is replaced in time, who only seems so is left alone."""

import time
from collections.abc import Callable, Iterator

import pytest

from ..integration.servers import wait_until
from .centre import Centre
from .conftest import Make
from .longstep import LongStep, steps
from .reckoning import leftovers, reckon, rest

LEASE_S = 6


@pytest.fixture(scope="module")
def centre(centres: Make) -> Iterator[Centre]:
    """A centre with conductors and sweeper as they come: only the lease and the heartbeats are shorter."""
    with centres(steps=steps(LEASE_S), refill_s=2.0, interval_s=5.0, lost_hint_s=60.0) as made:
        for name in ("conductor-0", "sweeper-0", "watch-0"):
            made.add(name)
        for name in ("worker-0", "worker-1"):
            made.add(name, proxied=True)
        made.keep()
        yield made


def ends_well(centre: Centre, *long: LongStep) -> None:
    long[0].end()
    rest(centre, long[-1].run, 60)
    reckon(centre, long[-1].run)


def still(condition: object, seconds: float) -> bool:
    """Say whether something stays true all the time."""
    end = time.monotonic() + seconds
    while condition():  # type: ignore[operator]
        if time.monotonic() > end:
            return True
        time.sleep(0.1)
    return False


def test_a_dead_workers_file_is_worked_on_again_within_its_lease_and_five_seconds(centre: Centre) -> None:
    long = LongStep(centre)
    long.first.worker.kill()
    began = time.monotonic()
    long.attempt(after=long.first.epoch)
    took = time.monotonic() - began
    print(f"\ndead worker: its file is worked on again {took:.1f} s after the death, lease {LEASE_S} s + 5 s")
    ends_well(centre, long)
    assert took < LEASE_S + 5


@pytest.mark.long
@pytest.mark.parametrize("point", ["worker before its ack", "worker after its ack"])
def test_a_worker_that_dies_when_it_acknowledges_a_long_step_early_is_replaced(centre: Centre, point: str) -> None:
    """Before its ack the message comes to another worker in the same epoch, which is told to drop it."""
    centre.order(point)
    long = LongStep(centre)
    assert centre.hit(point)
    long.attempt(after=long.first.epoch)
    ends_well(centre, long)
    print(f"\n{point}, early: begun {long.executed()} times, accepted once, {long.interrupts()} interrupts")
    assert long.interrupts() == 1


@pytest.mark.timeout(400)
@pytest.mark.long
def test_postgresql_away_for_three_leases_kills_no_running_step(centre: Centre) -> None:
    long = LongStep(centre)
    due = centre.value("select lease_until from item where id = :item", item=long.first.item)
    centre.postgres.kill()
    began = time.monotonic()
    time.sleep(3 * LEASE_S)  # the time itself is what is tested
    centre.postgres.start()
    away = time.monotonic() - began
    assert centre.value("select clock_timestamp() - :due > make_interval(secs => :s)", due=due, s=LEASE_S)
    assert still(long.undisturbed, 2 * LEASE_S)
    ends_well(centre, long)
    print(
        f"\nPostgreSQL away for {away:.0f} s, lease {LEASE_S} s: the step was begun {long.executed()} time, "
        f"{long.interrupts()} interrupts"
    )
    assert (long.executed(), long.interrupts()) == (1, 0)


def test_a_frozen_worker_that_wakes_later_changes_nothing(centre: Centre) -> None:
    long = LongStep(centre)
    frozen = long.first.worker
    frozen.freeze(whole=True)
    comes_too_late(centre, long, frozen.thaw, "frozen worker")


@pytest.mark.long
def test_a_worker_whose_line_to_the_broker_stalls_for_longer_than_its_lease_changes_nothing(centre: Centre) -> None:
    long = LongStep(centre)
    line = long.first.worker.proxies["broker"]
    line.stall()
    comes_too_late(centre, long, line.flow, "stalled worker")


@pytest.mark.long
def test_a_worker_whose_heartbeats_are_lost_changes_nothing(centre: Centre) -> None:
    long = LongStep(centre)
    centre.garble({"heartbeat lost": 1.0})
    second = long.attempt(after=long.first.epoch)
    centre.garble(None)
    lets_go(centre, long)
    assert second.worker is not long.first.worker
    ends_well(centre, long)
    print(f"\nheartbeats lost: begun {long.executed()} times, accepted once, {long.interrupts()} interrupts")


def item(centre: Centre, long: LongStep) -> object:
    """Give all that is known of it, to be compared."""
    return centre.rows("select * from item where id = :id", id=long.first.item)


def lets_go(centre: Centre, long: LongStep) -> None:
    """Wait until the first worker, heard again, has nothing in hand: it was told to drop it, or has reported."""
    now = centre.value("select clock_timestamp()")
    idle = "select count(*) from process where owner = :owner and seen_at > :now and detail->>'busy' = '0'"
    wait_until(lambda: centre.value(idle, owner=long.first.owner, now=now) > 0, 60, "the first worker lets go of it")


def comes_too_late(centre: Centre, long: LongStep, comes_back: Callable[[], object], who: str) -> None:
    """Let somebody else do it, and then the first worker come back: its word changes nothing, what it wrote goes."""
    long.attempt(after=long.first.epoch)
    ends_well(centre, long)
    before = item(centre, long)
    comes_back()
    lets_go(centre, long)
    ends_well(centre, long)
    assert item(centre, long) == before
    wait_until(lambda: not leftovers(centre), 60, "what it wrote is removed")
    late = centre.value("select count(*) from late where item_id = :id", id=long.first.item)
    print(f"\n{who}: begun {long.executed()} times, accepted once, {late} late reports, nothing changed by them")


@pytest.mark.long
@pytest.mark.parametrize("which", ["conductor-0", "conductor-1"])
def test_a_frozen_conductor_that_holds_heartbeats_lets_no_lease_expire(centre: Centre, which: str) -> None:
    if len([member for member in centre.members if member.role == "conductor"]) < 2:
        centre.add("conductor-1")
        two = "select count(distinct owner) from process where role = 'conductor' and seen_at > now() - interval '9 s'"
        wait_until(lambda: centre.value(two) == 2, 60, "two conductors")
    long = LongStep(centre), LongStep(centre)
    centre.member(which).freeze()
    undisturbed = still(lambda: all(each.undisturbed() for each in long), 3 * LEASE_S)
    centre.member(which).thaw()
    assert undisturbed
    assert still(lambda: all(each.undisturbed() for each in long), 2 * LEASE_S)
    ends_well(centre, *long)
    assert [each.executed() for each in long] == [1, 1]
