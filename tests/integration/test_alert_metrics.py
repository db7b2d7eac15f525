"""What Prometheus is told of alerts, and that it says the same as the service."""

from typing import Any

from headframe.statemachine.store import alerts as kept
from headframe.statemachine.store import detector
from headframe.web.alert_metrics import families

from .small_machine import SmallMachine
from .test_alerts import down, look


def samples(machine: SmallMachine) -> dict[tuple[Any, ...], float]:
    with machine.engine.connect() as conn:
        return {
            (sample.name.removeprefix("headframe_"), *sample.labels.values()): sample.value
            for family in families(conn)
            for sample in family.samples
        }


def test_open_alerts_are_shown_with_who_knows_of_them(machine: SmallMachine) -> None:
    look(machine, down())
    assert samples(machine) == {("alert", "site-down", "work", "page"): 1.0, ("detector_running", "runs"): 0.0}
    with machine.engine.begin() as conn:
        kept.acknowledge(conn, "site-down", "work", "ada", "I know", 60)
    assert samples(machine)["alert_acknowledged", "site-down", "work"] == 1.0


def test_what_only_prometheus_sees_is_acknowledged_until_a_moment(machine: SmallMachine) -> None:
    with machine.engine.begin() as conn:
        until = kept.acknowledge(conn, "database-away", "", "ada", "a new disk", 3600)
    found = samples(machine)
    assert found["alert_acknowledged", "database-away", ""] == 1.0
    assert found["alert_acknowledged_until_seconds", "database-away", ""] == until.timestamp()
    with machine.engine.begin() as conn:
        kept.withdraw(conn, "database-away", "", "ada", "the disk is here tomorrow")
    found = samples(machine)
    assert ("alert_acknowledged", "database-away", "") not in found
    assert found["alert_acknowledged_until_seconds", "database-away", ""] < until.timestamp()


def test_what_no_raw_metric_says_is_asked_at_the_scrape(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    assert samples(machine) == {("need", "no-worker", "salt"): 1.0}


def test_what_rests_is_named_by_step_and_lane(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    for what, name in (("lane", "bulk"), ("step", "salt")):
        machine.sql(
            "insert into pause (what, name, actor, reason) values (:what, :name, 'ada', 'x')", what=what, name=name
        )
    found = {key[1:] for key in samples(machine) if key[0] == "paused"}
    steps = ("salt", "place", "reconstruct", "catalog", "summary")
    assert found == {("salt", "live"), *((step, "bulk") for step in steps)}


def test_the_detector_runs_while_somebody_says_so(machine: SmallMachine) -> None:
    with machine.engine.begin() as conn:
        detector.say(conn, "heartbeat", True, "", 60)
        detector.say(conn, "daq", False, "", 60)
    assert samples(machine) == {("detector_running", "heartbeat"): 1.0, ("detector_running", "daq"): 0.0}
    machine.sql("update detector set until = clock_timestamp()")
    assert samples(machine)["detector_running", "heartbeat"] == 0.0
