"""When a pilot leaves, and how: its rules, with workers that are only said to do something."""

import os
import time
from pathlib import Path
from signal import SIGTERM, SIGUSR1

import pytest

from headframe.consumers.worker.settings import WorkerSettings
from headframe.daemon.config import Config
from headframe.daemon.config.surroundings import Surroundings
from headframe.daemon.pilot import pilot as module
from headframe.daemon.pilot.crew import DEATHS, Crew, Hand
from headframe.daemon.pilot.member import Order
from headframe.daemon.pilot.pilot import Pilot, PilotSettings
from headframe.statemachine.records import PilotWord


class SaidCrew(Crew):
    """Workers that are not there."""

    orders: list[str]
    replaced = killed = 0

    def start(self) -> None:
        self.orders = []
        self.ready = True

    @property
    def living(self) -> list[Hand]:
        return self.hands

    def order(self, order: Order) -> None:
        self.orders.append(order.what)

    def replace(self) -> None:
        self.replaced += 1

    def kill(self) -> None:
        self.killed += 1


class NoTeller:
    """Keeps what a pilot says."""

    def __init__(self, *_: object) -> None:
        self.said: list[PilotWord] = []

    def say(self, word: PilotWord) -> None:
        self.said.append(word)


@pytest.fixture
def crews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Crew", SaidCrew)
    monkeypatch.setattr(module, "Teller", NoTeller)


def pilot(left_s: float | None = None, expected: dict[str, float] | None = None, *, stay: bool = False) -> Pilot:
    ends_at = None if left_s is None else time.time() + left_s
    workers = WorkerSettings(
        steps=("reconstruct", "catalog"),
        sites={},
        pilot="hf-1",
        ends_at=ends_at,
        walltime_s=3600 if left_s else 0,
        expected=expected or {},
    )
    around = Surroundings(node="n1", nodes="n1", began_at=time.time(), ends_at=ends_at)
    made = Pilot(Config(folder=Path()), PilotSettings(workers=2, idle_s=60, drain_s=120, stay=stay), workers, around)
    made.start()
    return made


def crew(made: Pilot) -> SaidCrew:
    assert isinstance(made.crew, SaidCrew)
    return made.crew


def resting(made: Pilot) -> Pilot:
    """Let all workers have had nothing to do for long."""
    for hand in made.crew.hands:
        hand.since -= 100
    return made


@pytest.mark.usefixtures("crews")
class TestLeaving:
    def test_a_pilot_with_time_and_work_stays_and_fills_every_place(self) -> None:
        stays = pilot(left_s=3000)
        stays._look()
        assert (stays.reason, crew(stays).replaced, crew(stays).orders) == ("", 1, [])

    def test_it_leaves_politely_when_nobody_had_anything_to_do(self) -> None:
        idle = resting(pilot())
        idle._look()
        assert (idle.reason, crew(idle).orders, idle.failed) == ("there was nothing to do for 60 s", ["drain"], False)

    def test_one_that_is_to_stay_does_so_though_idle_until_its_end(self) -> None:
        kept = resting(pilot(left_s=3000, stay=True))
        kept._look()
        assert kept.reason == ""
        late = resting(pilot(left_s=119, stay=True))
        late._look()
        assert late.reason.startswith("its walltime is over in 11")

    def test_a_busy_worker_keeps_it_from_being_idle(self) -> None:
        busy = resting(pilot())
        busy.crew.hands[1].busy = True
        busy._look()
        assert busy.reason == ""

    def test_it_leaves_shortly_before_its_end_though_nobody_knows_how_long_steps_take(self) -> None:
        late = pilot(left_s=119)
        late._look()
        assert late.reason.startswith("its walltime is over in 11")

    def test_one_step_that_still_fits_is_enough_to_stay(self) -> None:
        some = pilot(left_s=1000, expected={"reconstruct": 2000, "catalog": 1})
        some._look()
        assert some.reason == ""
        none = pilot(left_s=1000, expected={"reconstruct": 2000, "catalog": 2000})
        none._look()
        assert none.reason.startswith("each of its steps takes longer than the ")

    def test_what_its_workers_measure_counts(self) -> None:
        slow = pilot(left_s=1000)
        for step in ("reconstruct", "catalog"):
            slow.pace.took(step, 2000.0)
        slow._look()
        assert slow.reason.startswith("each of its steps takes longer than the ")

    def test_workers_that_die_again_and_again_make_it_fail(self) -> None:
        sick = pilot()
        sick.crew.hands[0].deaths = [time.monotonic()] * DEATHS
        sick.crew.hands[0].cause = "signal SIGBUS"
        sick._look()
        assert (sick.reason, sick.failed) == ("its workers died again and again: signal SIGBUS", True)

    def test_deaths_of_long_ago_and_of_different_workers_do_not(self) -> None:
        well = pilot()
        well.crew.hands[0].deaths = [time.monotonic() - 3600] * DEATHS
        well.crew.hands[1].deaths = [time.monotonic()] * (DEATHS - 1)
        well._look()
        assert well.reason == ""

    def test_workers_that_cannot_begin_make_it_fail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "BEGIN_S", 0.0)
        lost = pilot()
        lost.began -= 100
        lost.crew.ready = False
        lost._look()
        assert (crew(lost).orders, lost.failed) == (["end"], True)

    def test_a_drain_can_become_an_end_but_an_end_stays_one(self) -> None:
        told = pilot()
        told._obey(bytes([SIGUSR1, SIGUSR1, SIGTERM, SIGTERM, SIGUSR1]))
        assert crew(told).orders == ["drain", "end"]
        assert told.reason == "it was told to end (SIGTERM)"

    def test_who_does_not_end_in_time_is_killed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "KILL_S", -1.0)
        told = pilot()
        told._obey(bytes([SIGTERM]))
        told._look()
        assert crew(told).killed == 1


def test_signals_are_read_in_the_order_in_which_they_came() -> None:
    from headframe.daemon.pilot.signals import pending

    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    assert pending(ours) == b""
    os.write(theirs, bytes([SIGUSR1, SIGTERM]))
    assert list(pending(ours)) == [SIGUSR1, SIGTERM]
