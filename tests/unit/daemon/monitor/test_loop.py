"""Loops: what hangs is told from what waits on purpose."""

import threading

import pytest

from headframe.daemon.monitor.loop import LONGEST_S, Loop
from headframe.daemon.monitor.monitor import Monitor


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_loop_that_beats_does_not_hang_and_one_that_falls_silent_does(clock: Clock) -> None:
    loop = Loop("scan", allow_s=60, clock=clock)
    loop.beat()
    clock.now += 59
    assert not loop.hangs
    loop.beat()
    clock.now += 61
    assert loop.hangs
    assert loop.age_s() == 61


def test_a_loop_that_waits_on_purpose_never_hangs(clock: Clock) -> None:
    loop = Loop("scan", allow_s=60, clock=clock)
    clock.now += 1000  # it has not begun yet
    assert not loop.hangs
    loop.beat()
    loop.pause()
    clock.now += 1000
    assert not loop.hangs
    assert loop.age_s() == 0


def test_a_rest_ends_when_it_is_time_to_stop() -> None:
    stop = threading.Event()
    stop.set()
    assert Loop().rest(stop, 1000)


def test_tries_come_ever_more_slowly_and_at_moments_of_ones_own() -> None:
    loop, other = Loop(), Loop()
    waits = [loop.missed(ValueError()) for _ in range(12)]
    assert waits[0] <= 0.1 < max(waits) <= LONGEST_S
    assert waits != [other.missed(ValueError()) for _ in range(12)]
    loop.met()
    assert loop.missed(ValueError()) <= 0.1


def test_a_process_is_alive_while_no_loop_hangs_and_names_the_one_that_does() -> None:
    monitor = Monitor("watch", hang_s=180)
    for name in ("scan daq", "events daq"):
        monitor.loop(name).beat()
    assert monitor.alive()[0]
    monitor.hang_s = -1
    monitor.loop("rundb shifts").beat()
    well, said = monitor.alive()
    assert not well
    assert said["hangs"] == ["rundb shifts"]


def test_a_process_is_ready_once_it_has_started_and_has_all_that_it_needs() -> None:
    monitor = Monitor("watch", hang_s=180)
    assert not monitor.ready()[0]
    monitor.started()
    assert monitor.ready()[0]
    monitor.needs("broker", lambda: "away")
    assert monitor.ready() == (
        False,
        {
            "status": "waiting",
            "role": "watch",
            "checks": {"broker": {"ok": False, "error": "it has not been looked at yet"}},
        },
    )
