"""Alerts open when something is so for long enough, are one while it comes and goes, and end when it stays away."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import Connection, text

from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub
from headframe.consumers.broker.topology import Names
from headframe.daemon.sweeper.alerting import Alerting, Looking
from headframe.daemon.sweeper.measuring import Measuring
from headframe.daemon.sweeper.sweeper import Sweeper, SweeperSettings
from headframe.statemachine.alerting import ALERTS, Limits
from headframe.statemachine.store import alerts as kept
from headframe.statemachine.store import detector
from headframe.statemachine.store.errors import NotFoundError, RefusedError
from headframe.statemachine.views.alerts import AlertRow, acknowledgements, alerts
from headframe.statemachine.views.conditions import CONDITIONS, Condition
from headframe.statemachine.views.need import Need

from .servers import wait_until
from .small_machine import SmallMachine

EAGER = Looking(every_s=0, calm_s=0, patience=0)


def needs(*found: Need) -> Callable[[Connection, Limits], Iterable[Need]]:
    return lambda _conn, _limits: found


def down(site: str = "work") -> Condition:
    return Condition(("site-down",), needs(Need("site-down", f"site {site} is down", "headframe doctor", site)))


CALM = Condition(("site-down",), needs())


def look(machine: SmallMachine, *conditions: Condition, how: Looking = EAGER) -> None:
    Alerting(machine.engine, how, conditions).look()


def listed(machine: SmallMachine, status: str = "open") -> tuple[AlertRow, ...]:
    with machine.engine.connect() as conn:
        return alerts(conn, status)  # type: ignore[arg-type]


def codes(machine: SmallMachine) -> set[tuple[str, str]]:
    return {(row.code, row.name) for row in listed(machine)}


def later(machine: SmallMachine, **back: int) -> None:
    """Let time pass for the alerts that there are."""
    machine.sql(
        "update alert set since = since - :d, seen_at = seen_at - :d, calm_since = calm_since - :d", d=timedelta(**back)
    )


def test_what_is_so_fires_and_is_cleared_when_it_is_over(machine: SmallMachine) -> None:
    look(machine, down())
    (row,) = listed(machine)
    assert (row.code, row.name, row.sentence, row.severity) == ("site-down", "work", "site work is down", "page")
    look(machine, CALM)
    assert listed(machine) == ()
    assert [each.code for each in listed(machine, "cleared")] == ["site-down"]


def test_nobody_hears_of_what_is_not_so_for_long_enough(machine: SmallMachine) -> None:
    patient = Looking(every_s=0, calm_s=0)
    look(machine, down(), how=patient)
    assert listed(machine) == ()
    look(machine, CALM, how=patient)
    look(machine, down(), how=patient)
    later(machine, seconds=59)
    look(machine, down(), how=patient)
    assert listed(machine) == ()
    later(machine, seconds=2)
    look(machine, down(), how=patient)
    assert len(listed(machine)) == 1


def test_what_nobody_looked_at_for_long_begins_anew(machine: SmallMachine) -> None:
    patient = Looking(every_s=0, calm_s=0)
    look(machine, down(), how=patient)
    later(machine, minutes=10)
    look(machine, down(), how=patient)
    assert listed(machine) == ()


def test_pages_hear_at_most_each_minute_that_an_alert_is_still_so(machine: SmallMachine) -> None:
    def told() -> int:
        machine.sql("delete from change")
        look(machine, down())
        return int(machine.sql_value("select count(*) from change where topic = 'alerts'"))

    assert [told(), told()] == [1, 0]
    later(machine, seconds=61)
    assert told() == 1


def test_what_comes_and_goes_is_one_alert(machine: SmallMachine) -> None:
    calm = Looking(every_s=0, calm_s=300, patience=0)
    look(machine, down(), how=calm)
    (first,) = listed(machine)
    for _ in range(3):
        look(machine, CALM, how=calm)
        later(machine, seconds=200)
        assert listed(machine)[0].calm_since is not None
        look(machine, down(), how=calm)
        assert listed(machine)[0].calm_since is None
    assert listed(machine)[0].id == first.id
    look(machine, CALM, how=calm)
    later(machine, seconds=301)
    look(machine, CALM, how=calm)
    assert listed(machine) == ()


def test_a_condition_that_fails_stops_no_other_and_changes_nothing_of_its_own(machine: SmallMachine) -> None:
    def broken(conn: Connection, _: Limits) -> Iterator[Need]:
        yield Need("dead-letters", "some", "")
        conn.execute(text("select 1 / 0"))

    def worse(_conn: Connection, _: Limits) -> Iterator[Need]:
        raise KeyError("a row that nobody expected")

    look(machine, Condition(("dead-letters",), needs(Need("dead-letters", "one", ""))), down())
    look(machine, Condition(("dead-letters",), broken), Condition(("failures",), worse), CALM)
    assert [(row.code, row.sentence) for row in listed(machine)] == [("dead-letters", "one")]


def test_two_sweepers_do_not_look_at_once(machine: SmallMachine) -> None:
    with machine.engine.begin() as first:
        assert kept.alone(first)
        look(machine, down())
    assert listed(machine) == ()
    look(machine, down())
    assert len(listed(machine)) == 1


def test_a_condition_that_takes_long_keeps_no_sweeper_waiting(machine: SmallMachine) -> None:
    asked, answer, stop = Event(), Event(), Event()

    def slow(_conn: Connection, _: Limits) -> Iterable[Need]:
        asked.set()
        answer.wait(60)
        return ()

    Alerting(machine.engine, EAGER, (Condition(("failures",), slow), down())).start(stop)
    try:
        assert asked.wait(30)
        sweeper = Sweeper(machine.engine, MemoryBroker(MemoryHub()), Names("headframe"), SweeperSettings())
        sweeper.round()
        assert listed(machine) == ()
        answer.set()
        wait_until(lambda: len(listed(machine)) == 1, 30, "the other condition was asked")
    finally:
        answer.set()
        stop.set()


def test_every_condition_can_be_asked_and_all_codes_of_the_service_have_one(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    with machine.engine.connect() as conn:
        for condition in CONDITIONS:
            assert {each.code for each in condition.ask(conn, Limits())} <= set(condition.codes)
    asked = {code for condition in CONDITIONS for code in condition.codes}
    assert {each.need for each in ALERTS if each.need} == asked


def test_an_instance_in_which_nobody_works_says_what_is_missing(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    machine.sql("update item set since = since - interval '2 hours'")
    look(machine, *CONDITIONS)
    assert codes(machine) == {("no-conductor", ""), ("no-worker", "salt"), ("no-progress", ""), ("queue-old", "salt")}
    machine.sql("insert into pause (what, name, actor, reason) values ('step', 'salt', 'ada', 'the key is made anew')")
    look(machine, *CONDITIONS)
    assert codes(machine) == {("no-conductor", ""), ("no-worker", "salt")}


def test_somebody_at_work_is_progress(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    machine.say(1, 1, "start")
    machine.sql("update item set since = since - interval '2 hours'")
    look(machine, *CONDITIONS)
    assert ("no-progress", "") not in codes(machine)


def test_leases_that_nobody_takes_back_and_failed_items_are_named(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    machine.say(1, 1, "start")
    machine.say(1, 2, "fail", reason_code="bad-data", reason="cannot be read", permanent=True)
    machine.sql("update item set lease_until = lease_until - interval '1 day' where phase = 'executing'")
    look(machine, *CONDITIONS)
    assert {("leases-expired", "salt"), ("failed-items", "")} <= codes(machine)


def test_what_waits_to_be_counted_for_long_is_told(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    machine.through(1, 1)
    look(machine, *CONDITIONS)
    assert ("counts-behind", "") not in codes(machine)
    machine.sql("update measure_due set at = at - interval '11 minutes'")
    look(machine, *CONDITIONS)
    (row,) = [row for row in listed(machine) if row.code == "counts-behind"]
    assert (row.severity, row.name) == ("ticket", "")
    assert "waits to be counted, for 11 min: " in row.sentence
    measuring = Measuring(machine.engine, 100)
    measuring.measure()
    look(machine, *CONDITIONS)
    assert ("counts-behind", "") not in codes(machine)
    machine.arrive(1, 3)
    machine.sql("update sum_delta set last_at = last_at - interval '11 minutes'")
    look(machine, *CONDITIONS)
    assert ("counts-behind", "") in codes(machine)


def test_a_watcher_that_fell_silent_is_missed_for_a_week(machine: SmallMachine) -> None:
    machine.sql("insert into process (owner, role, seen_at) values ('w', 'watcher', now() - interval '2 minutes')")
    look(machine, *CONDITIONS)
    assert ("no-watcher", "") in codes(machine)
    machine.sql("update process set seen_at = now() - interval '8 days'")
    look(machine, *CONDITIONS)
    assert ("no-watcher", "") not in codes(machine)


def test_too_many_failures_of_the_last_hour_are_said_by_step(machine: SmallMachine) -> None:
    columns = "span, at, campaign_id, step, lane, done, failed"
    rate = f"insert into measure_rate ({columns}) values (1, now(), 1, :step, 'live', :d, :f)"
    machine.sql(rate, step="salt", d=70, f=30)
    machine.sql(rate, step="place", d=95, f=5)
    machine.sql(rate, step="catalog", d=1, f=9)
    look(machine, *CONDITIONS)
    (row,) = [row for row in listed(machine) if row.code == "failures"]
    assert (row.name, row.sentence) == ("salt", "30 of 100 attempts of the last hour at step salt failed")


def test_no_file_while_a_run_is_open_is_told(machine: SmallMachine) -> None:
    began = datetime.now().astimezone() - timedelta(hours=1)
    machine.inform(7, started=began)
    look(machine, *CONDITIONS)
    assert ("no-files", "") not in codes(machine)  # it has been known to run for a moment only
    machine.sql("update detector set since = since - interval '1 hour'")
    look(machine, *CONDITIONS)
    (row,) = [row for row in listed(machine) if row.code == "no-files"]
    assert "run 7 is open" in row.sentence
    machine.inform(7, started=began, ended=datetime.now().astimezone(), closed=True, expected=0)
    look(machine, *CONDITIONS)
    assert ("no-files", "") not in codes(machine)


def test_files_that_arrive_say_that_all_is_well_with_the_detector(machine: SmallMachine) -> None:
    with machine.engine.begin() as conn:
        detector.say(conn, "heartbeat", True, "", 60)
    machine.sql("update detector set since = since - interval '1 hour'")
    machine.arrive(1, 1)
    look(machine, *CONDITIONS)
    assert ("no-files", "") not in codes(machine)


def test_who_acknowledges_says_why_and_until_when(machine: SmallMachine) -> None:
    look(machine, down())
    with machine.engine.begin() as conn:
        kept.acknowledge(conn, "site-down", "work", "ada", "the cable is being mended", 3600)
    (row,) = listed(machine)
    assert (row.owner, row.reason, row.acknowledged) == ("ada", "the cable is being mended", True)
    with machine.engine.begin() as conn:
        kept.acknowledge(conn, "site-down", "work", "bob", "my shift now", 60)
    assert listed(machine)[0].owner == "bob"
    with machine.engine.begin() as conn:
        kept.withdraw(conn, "site-down", "work", "bob", "it is worse")
    assert not listed(machine)[0].acknowledged
    with machine.engine.connect() as conn:
        found = acknowledgements(conn, "site-down", "work")
    assert [(each.owner, each.ended_by) for each in found] == [("bob", "bob"), ("ada", "bob")]


@pytest.mark.parametrize(("reason", "for_s"), [(" ", 60.0), ("good", 0.0), ("good", 31 * 86400.0)])
def test_nobody_acknowledges_without_a_reason_and_an_end(machine: SmallMachine, reason: str, for_s: float) -> None:
    look(machine, down())
    with machine.engine.begin() as conn, pytest.raises(RefusedError):
        kept.acknowledge(conn, "site-down", "work", "ada", reason, for_s)


@pytest.mark.parametrize(
    ("code", "name", "error", "said"),
    [
        ("site-down", "moon", NotFoundError, "no open alert site-down moon, and there is no site moon"),
        ("queue-old", "moon", NotFoundError, "no open alert queue-old moon, and there is no step moon"),
        ("web-away", "moon", NotFoundError, "no open alert web-away moon, and web-away needs no name"),
        ("site-down", "", RefusedError, "site-down is about one site each: say which"),
        ("no-such", "", NotFoundError, "there is no alert no-such; docs/alerts.md has all of them"),
    ],
)
def test_what_cannot_be_so_cannot_be_acknowledged(
    machine: SmallMachine, code: str, name: str, error: type[Exception], said: str
) -> None:
    with machine.engine.begin() as conn, pytest.raises(error, match=said):
        kept.acknowledge(conn, code, name, "ada", "why not", 60)


def test_what_is_not_open_can_be_acknowledged_beforehand(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.sql("insert into site (name) values ('moon')")
    for code, name in (("database-away", ""), ("no-sweeper", ""), ("site-down", "moon"), ("queue-old", "salt")):
        with machine.engine.begin() as conn:
            kept.acknowledge(conn, code, name, "ada", "the cable is being mended", 3600)
    look(machine, down("moon"))
    assert listed(machine)[0].owner == "ada"


def test_nobody_takes_back_what_nobody_said(machine: SmallMachine) -> None:
    with machine.engine.begin() as conn, pytest.raises(NotFoundError, match="nobody has acknowledged"):
        kept.withdraw(conn, "site-down", "work", "ada", "why not")
