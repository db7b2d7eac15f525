"""Leases on real servers and processes: who is dead is replaced in time, who only seems so is left alone."""

import time
from collections.abc import Iterator

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
        for name in ("conductor-0", "sweeper-0", "watch-0", "worker-0", "worker-1"):
            made.add(name)
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
    print(f"\nworked on again {took:.1f} s after the death, lease {LEASE_S} s")
    ends_well(centre, long)
    assert took < LEASE_S + 5


@pytest.mark.timeout(400)
def test_postgresql_away_for_three_leases_kills_no_running_step(centre: Centre) -> None:
    long = LongStep(centre)
    centre.postgres.kill()
    time.sleep(3 * LEASE_S)  # the time itself is what is tested
    centre.postgres.start()
    assert still(long.undisturbed, 2 * LEASE_S)
    ends_well(centre, long)
    assert long.executed() == 1


def test_a_frozen_worker_that_wakes_later_changes_nothing(centre: Centre) -> None:
    long = LongStep(centre)
    frozen = long.first.worker
    frozen.freeze(whole=True)
    long.attempt(after=long.first.epoch)
    ends_well(centre, long)
    before = centre.rows("select * from item where id = :id", id=long.first.item)
    frozen.thaw()
    late = "select count(*) from late where item_id = :id and owner = :owner"
    wait_until(lambda: centre.value(late, id=long.first.item, owner=long.first.owner) > 0, 60, "its report is late")
    ends_well(centre, long)
    assert centre.rows("select * from item where id = :id", id=long.first.item) == before
    wait_until(lambda: not leftovers(centre), 60, "what it wrote is removed")


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
