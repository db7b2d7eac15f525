"""Forecasts from the kept measures: of a campaign and of a run, with the step that holds them up, or honestly none."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from headframe.statemachine.views import forecast_campaign, forecast_run

from .small_machine import SmallMachine


@pytest.fixture
def conn(machine: SmallMachine) -> Iterator[Connection]:
    with machine.engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def campaign(conn: Connection) -> str:
    return str(conn.exec_driver_sql("select name from campaign").scalar_one())


def went(machine: SmallMachine, step: str, a_minute: int, minutes: int = 60, **more: int) -> None:
    """Let a step have done so many a minute until now."""
    machine.sql(
        "insert into measure_rate (span, at, campaign_id, step, lane, done, passed, busy_s) "
        "select 1, date_bin('1 minute', now(), 'epoch') - n * interval '1 minute', c.id, :step, 'live', :done, "
        ":passed, :done * 2 from campaign c, generate_series(1, :minutes) n",
        step=step,
        done=a_minute,
        passed=more.get("passed", 0),
        minutes=minutes,
    )


def test_a_campaigns_forecast_names_the_step_that_holds_it_up(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, *range(1, 41))
    machine.alive()
    went(machine, "salt", 2)
    for step in ("place", "reconstruct", "catalog"):
        went(machine, step, 2)
    found = forecast_campaign(conn, campaign(conn))
    assert found is not None
    assert (found.left, found.bottleneck) == (40, "salt")
    assert found.sentence == "salt: 2 files/min, 40 waiting, 1 workers"
    assert found.p50 is not None
    assert found.p90 is not None
    assert found.p50 - found.at == pytest.approx(timedelta(minutes=20), abs=timedelta(seconds=30))
    assert found.p90 > found.p50


def test_a_step_that_is_only_short_of_work_does_not_hold_it_up(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, *range(1, 9))
    machine.do(5, 1)
    went(machine, "salt", 4)
    went(machine, "place", 1)
    machine.sql("update measure_rate set done = 40 where step = 'place' and at > now() - interval '5 minutes'")
    found = forecast_campaign(conn, campaign(conn))
    assert found is not None
    assert found.bottleneck == "salt"


def test_without_anything_finished_there_is_no_forecast_and_it_says_so(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2)
    found = forecast_campaign(conn, campaign(conn))
    assert found is not None
    assert (found.p50, found.p90) == (None, None)
    assert found.sentence == "no forecast: nothing finished in the last hour; 2 wait for salt"


def test_what_passes_a_step_is_not_counted_as_its_work(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, *range(1, 11))
    went(machine, "salt", 1, passed=9)
    found = forecast_campaign(conn, campaign(conn))
    assert found is not None
    assert found.steps[0].to_do == 1


def test_a_runs_forecast_counts_what_others_have_before_it(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, *range(1, 31))
    machine.arrive(6, 1, 2)
    machine.submit(5, 30)
    went(machine, "salt", 1)
    found = forecast_run(conn, 6)
    assert found is not None
    assert (found.left, found.steps[0].ahead) == (2, 30)
    assert found.sentence.startswith("salt: 1 files/min, 2 waiting and 30 of others before them")
    assert found.p50 is not None
    assert found.p50 - found.at == pytest.approx(timedelta(minutes=32), abs=timedelta(minutes=1))


def test_what_is_done_has_nothing_left(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.through(5, 1)
    found = forecast_run(conn, 5)
    assert found is not None
    assert found.sentence == "nothing is left to do"
    assert forecast_run(conn, 99) is None
    assert forecast_campaign(conn, "nix") is None
