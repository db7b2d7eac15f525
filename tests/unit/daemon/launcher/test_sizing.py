"""How many pilots there are: properties over any work and any crowd."""

import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from headframe.daemon.config.launching import PilotConfig
from headframe.daemon.launcher.sizing import Crowd, Plan, Surplus, Work, places, plan, work
from headframe.statemachine.piloting import StepDemand


def pilot(**more: object) -> PilotConfig:
    return PilotConfig(**{"steps": ("reconstruct",), "workers": 4, "max": 10, "within_s": 600.0, **more})  # type: ignore[arg-type]


pilots = st.builds(
    lambda least, more, workers, nodes, within, most_pending: pilot(
        min=least, max=max(1, least + more), workers=workers, nodes=nodes, within_s=within, max_pending=most_pending
    ),
    st.integers(0, 5), st.integers(0, 20), st.integers(1, 64), st.integers(1, 4), st.floats(1, 1e5), st.integers(1, 30),
)  # fmt: skip
works = st.builds(
    lambda waiting, large, each, executing: Work(
        waiting=waiting,
        waiting_s=waiting * each,
        large=large,
        large_s=large * each,
        executing_s=executing * each,
    ),
    st.integers(0, 10**6), st.integers(0, 10**4), st.floats(0.01, 1e5), st.integers(0, 10**4),
)  # fmt: skip
crowds = st.builds(
    lambda running, pending, leaving: Crowd(running=running, pending=pending, leaving=leaving),
    st.integers(0, 12), st.integers(0, 12), st.integers(0, 3),
)  # fmt: skip


def new(plan: Plan) -> int:
    return plan.start + plan.start_large + plan.start_stay


@given(pilots, works, crowds, crowds, crowds)
def test_there_are_never_more_than_the_most(
    config: PilotConfig, work: Work, ordinary: Crowd, large: Crowd, stay: Crowd
) -> None:
    found = plan(config, work, ordinary, large, stay)
    assert min(found.start, found.start_large, found.start_stay) >= 0
    assert min(found.surplus, found.surplus_large, found.surplus_stay) >= 0
    assert new(found) == 0 or new(found) + ordinary.all + large.all + stay.all <= config.max
    assert new(found) == 0 or new(found) + ordinary.pending + large.pending + stay.pending <= config.max_pending
    assert found.surplus <= ordinary.pending and found.surplus_large <= large.pending


@given(pilots, works, crowds, crowds, crowds)
def test_as_many_as_the_least_stay_and_no_more(
    config: PilotConfig, work: Work, ordinary: Crowd, large: Crowd, stay: Crowd
) -> None:
    found = plan(config, work, ordinary, large, stay)
    assert found.start_stay == 0 or stay.helping + found.start_stay <= config.min
    assert stay.helping - found.surplus_stay <= config.min
    if not work.large:
        assert stay.helping - found.surplus_stay >= min(stay.helping, config.min)


@given(pilots, works)
def test_those_that_stay_do_the_work_that_there_is(config: PilotConfig, work: Work) -> None:
    alone = replace(work, large=0, large_s=0.0)
    found = plan(config, alone, Crowd(), Crowd(), Crowd(pending=config.min))
    assert found.start == 0 or found.start + config.min <= math.ceil(work.waiting / places(config))


@given(pilots, works)
def test_there_are_never_fewer_than_the_least_where_so_many_may_wait(config: PilotConfig, work: Work) -> None:
    found = plan(config, work, Crowd(), Crowd())
    assert new(found) >= min(config.min, config.max_pending)
    assert found.start_stay + found.start_large >= min(config.min, config.max_pending)


@given(pilots, works, st.integers(0, 10**5))
def test_more_work_never_means_fewer_pilots(config: PilotConfig, less: Work, more: int) -> None:
    each = less.waiting_s / less.waiting if less.waiting else 60.0
    greater = Work(waiting=less.waiting + more, waiting_s=less.waiting_s + more * each, executing_s=less.executing_s)
    small = Work(waiting=less.waiting, waiting_s=less.waiting_s, executing_s=less.executing_s)
    assert new(plan(config, greater, Crowd(), Crowd())) >= new(plan(config, small, Crowd(), Crowd()))


def after(crowd: Crowd, start: int, surplus: int) -> Crowd:
    assert not (start and surplus)
    waiting = min(surplus, crowd.pending)
    return Crowd(running=crowd.running - (surplus - waiting), pending=crowd.pending + start - waiting)


@given(pilots, works, crowds, crowds, crowds)
def test_constant_work_settles_and_does_not_swing(
    config: PilotConfig, work: Work, ordinary: Crowd, large: Crowd, stay: Crowd
) -> None:
    for _ in range(50):
        found = plan(config, work, ordinary, large, stay)
        ordinary = after(ordinary, found.start, found.surplus)
        large = after(large, found.start_large, found.surplus_large)
        stay = after(stay, found.start_stay, found.surplus_stay)
    settled = plan(config, work, ordinary, large, stay)
    assert settled == Plan(wanted=settled.wanted)


@given(pilots, works)
def test_where_anything_waits_there_is_a_pilot(config: PilotConfig, work: Work) -> None:
    found = plan(config, work, Crowd(), Crowd())
    assert bool(new(found)) == bool(work.waiting + work.large + config.min)


def demand(**more: object) -> StepDemand:
    return StepDemand(**{"step": "reconstruct", "mean_s": 60.0, **more})  # type: ignore[arg-type]


def started(config: PilotConfig, *steps: StepDemand) -> int:
    return plan(config, work({"reco": config}, steps, ["reco"])["reco"], Crowd(), Crowd()).start


def test_a_thousand_short_files_are_for_one_pilot_and_a_thousand_long_ones_for_many() -> None:
    assert started(pilot(), demand(waiting=1000, mean_s=0.5)) == 1
    assert started(pilot(), demand(waiting=1000, mean_s=600.0)) == 10


def test_without_a_measurement_each_worker_has_a_few() -> None:
    assert started(pilot(), demand(waiting=16, mean_s=0.0)) == 1
    assert started(pilot(), demand(waiting=160, mean_s=0.0)) == 10


def test_there_are_never_more_workers_than_files() -> None:
    assert started(pilot(), demand(waiting=5, mean_s=1e5)) == 2


def test_pilots_of_one_lane_are_for_the_work_of_that_lane() -> None:
    live = pilot(lanes=("live",))
    assert started(live, demand(waiting=100, bulk=100)) == 0
    assert started(live, demand(waiting=101, bulk=100)) == 1
    assert started(pilot(lanes=("bulk",)), demand(waiting=100, bulk=0)) == 0


def test_two_names_share_the_work_of_a_step_and_do_not_both_take_all() -> None:
    both = {"realtime": pilot(max=2), "shared": pilot(max=10)}
    found = work(both, [demand(waiting=100)], ["realtime", "shared"])
    assert (found["realtime"].waiting, found["shared"].waiting) == (80, 20)
    alone = work(both, [demand(waiting=100)], ["shared"])
    assert alone["shared"].waiting == 100


def test_a_pilot_for_several_steps_counts_the_work_of_all() -> None:
    config = pilot(steps=("salt", "reconstruct"))
    found = work({"all": config}, [demand(step="salt", waiting=10), demand(waiting=10, large=3)], ["all"])["all"]
    assert (found.waiting, found.large, found.waiting_s) == (17, 3, 1020.0)


def test_what_is_too_many_for_a_moment_is_left_alone() -> None:
    surplus = Surplus(3)
    assert [surplus.withdraw(n) for n in (5, 4, 0, 3, 4, 5, 5)] == [0, 0, 0, 0, 0, 3, 0]
