"""What there is to do at each step, for those who start workers: what may go out, what runs, how long one takes."""

from typing import Any

import pytest
from msgspec.structs import replace

from headframe.daemon.config.launching import PilotConfig
from headframe.daemon.launcher.sizing import Crowd, plan, work
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.piloting import StepDemand
from headframe.statemachine.store import pauses
from headframe.statemachine.store.sweep import fold
from headframe.statemachine.views import demand as ask
from headframe.statemachine.views.demand import HEAD

from .operators import FILES, ITEMS
from .small_machine import SmallMachine


def demand(machine: SmallMachine, step: str = "salt") -> StepDemand:
    with machine.engine.connect() as conn:
        return next(each for each in ask(conn) if each.step == step)


def pause(machine: SmallMachine, what: Any, name: str) -> None:
    with machine.engine.begin() as conn:
        pauses.pause(conn, what, name, "ada", "because")


def test_what_is_ready_or_sent_waits_and_what_runs_is_told_apart(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2, 3)
    machine.submit(1, 1)
    machine.say(1, 2, "start")
    found = demand(machine)
    assert (found.waiting, found.executing, found.large) == (2, 1, 0)
    assert demand(machine, "reconstruct").waiting == 0


def test_what_is_held_failed_or_not_due_does_not_wait(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2, 3, 4)
    machine.act(Trigger.HOLD, files=("run1_0001.h5",))
    machine.say(1, 2, "fail", reason_code="bad", reason="broken", permanent=True)
    machine.sql("update item set not_before = now() + interval '1 hour' where id = :id", id=machine.item(1, 3).id)
    assert demand(machine).waiting == 1


@pytest.mark.parametrize(("what", "name"), [("step", "salt"), ("lane", "live")])
def test_what_is_paused_does_not_wait(machine: SmallMachine, what: str, name: str) -> None:
    machine.arrive(1, 1, 2)
    machine.say(1, 2, "interrupt", reason_code="memory", reason="too much")
    machine.sql("update item set not_before = null")
    assert (demand(machine).waiting, demand(machine).large) == (2, 1)
    pause(machine, what, name)
    assert (demand(machine).waiting, demand(machine).large) == (0, 0)


def test_what_is_of_a_paused_campaign_does_not_wait(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.again(1, 1)
    assert demand(machine).waiting == 2
    machine.sql("update campaign set status = 'paused' where name = 'again'")
    assert demand(machine).waiting == 1


def test_what_would_write_to_a_paused_site_does_not_wait(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    site = machine.book.default.step("salt").site
    machine.sql("insert into site (name) values (:name) on conflict do nothing", name=site)
    pause(machine, "site", site)
    assert demand(machine).waiting == 0


@pytest.mark.parametrize("code", ["walltime", "memory"])
def test_what_ran_out_of_time_or_memory_is_large(machine: SmallMachine, code: str) -> None:
    machine.arrive(1, 1, 2)
    machine.say(1, 1, "start")
    machine.say(1, 1, "interrupt", reason_code=code, reason="more")
    machine.sql("update item set not_before = now() + interval '1 hour' where not_before is not null")
    assert demand(machine).large == 0
    machine.sql("update item set not_before = null")
    assert (demand(machine).waiting, demand(machine).large) == (2, 1)
    machine.submit(1, 1)
    assert (demand(machine).waiting, demand(machine).large) == (2, 1)


def test_a_backlog_longer_than_the_head_is_known_from_the_kept_counts(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    for statement in (FILES, ITEMS):
        machine.sql(statement, n=5 * HEAD)
    for _ in range(2):
        assert demand(machine).waiting == 5 * HEAD
        with machine.engine.begin() as conn:
            fold(conn, 1_000_000)
    head = "select id from item where phase = 'ready' order by priority, id limit :n"
    machine.sql(f"update item set not_before = now() + interval '1 hour' where id in ({head})", n=HEAD // 2)
    assert demand(machine).waiting == 5 * HEAD // 2
    machine.sql("update campaign set status = 'paused'")
    assert demand(machine).waiting == 0


def in_bulk(machine: SmallMachine, run: int, *sequences: int) -> None:
    for sequence in sequences:
        machine.sql("update item set lane = 'bulk' where id = :id", id=machine.item(run, sequence).id)


def test_what_waits_in_the_bulk_lane_is_told_apart(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2, 3, 4)
    in_bulk(machine, 1, 2, 3)
    machine.submit(1, 3)
    assert (demand(machine).waiting, demand(machine).bulk) == (4, 2)
    pause(machine, "lane", "live")
    assert (demand(machine).waiting, demand(machine).bulk) == (2, 2)
    pause(machine, "lane", "bulk")
    assert (demand(machine).waiting, demand(machine).bulk) == (0, 0)


def test_what_lies_behind_the_head_is_of_the_lane_whose_queue_is_long(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    for statement in (FILES, ITEMS):
        machine.sql(statement, n=2 * HEAD)
    some = "select id from item where phase = 'ready' order by id limit 5"
    machine.sql(f"update item set lane = 'bulk' where id not in ({some})")
    assert (demand(machine).waiting, demand(machine).bulk) == (2 * HEAD, 2 * HEAD - 5)
    pause(machine, "lane", "bulk")
    assert (demand(machine).waiting, demand(machine).bulk) == (5, 0)


@pytest.mark.parametrize(("bulk", "starts"), [((1, 2, 3, 4), "later"), ((), "live"), ((1, 2), "both")])
def test_pilots_of_a_lane_start_for_work_of_that_lane(
    machine: SmallMachine, bulk: tuple[int, ...], starts: str
) -> None:
    machine.arrive(1, 1, 2, 3, 4)
    in_bulk(machine, 1, *bulk)
    one = PilotConfig(steps=("salt",), workers=1, within_s=60.0)
    pilots = {"live": replace(one, lanes=("live",)), "later": replace(one, lanes=("bulk",))}
    with machine.engine.connect() as conn:
        works = work(pilots, ask(conn), list(pilots))
    plans = {name: plan(pilots[name], works[name], Crowd(), Crowd()) for name in pilots}
    assert [name for name in pilots if plans[name].start] == (["live", "later"] if starts == "both" else [starts])


def test_how_long_a_step_takes_and_how_fast_it_goes_is_what_was_measured_lately(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    assert (demand(machine).mean_s, demand(machine).p95_s, demand(machine).done_per_minute) == (0, 0, 0)
    campaign = machine.item(1, 1).campaign_id
    took = (
        "insert into measure_latency (what, span, at, step, campaign_id, kind, bucket, n, seconds) "
        "values ('working', 5, now() - cast(:ago as interval), 'salt', :campaign, 'science', :bucket, 20, :seconds)"
    )
    machine.sql(took, ago="2 days", campaign=campaign, bucket=40, seconds=640)
    assert (demand(machine).mean_s, demand(machine).p95_s) == (32, pytest.approx(33.4, abs=0.1))
    machine.sql(took, ago="10 min", campaign=campaign, bucket=24, seconds=160)
    assert (demand(machine).mean_s, demand(machine).p95_s) == (8, pytest.approx(8.35, abs=0.1))
    machine.sql(
        "insert into measure_rate (span, at, campaign_id, step, lane, done) values "
        "(1, date_bin('1 minute', now(), 'epoch') - interval '2 min', :campaign, 'salt', 'live', 60)",
        campaign=campaign,
    )
    assert demand(machine).done_per_minute == 12
