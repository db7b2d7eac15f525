"""The latency view: quantiles of what the measures hold, by hour, campaign, run type and step."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from headframe.statemachine.store import measure
from headframe.statemachine.views import LatencyFilter, latency

from .small_machine import SmallMachine


@pytest.fixture
def conn(machine: SmallMachine) -> Iterator[Connection]:
    with machine.engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def closed(machine: SmallMachine, run: int, *ages: float) -> None:
    """Bring files that were closed so many seconds ago through the machine."""
    machine.arrive(run, *range(1, len(ages) + 1))
    for sequence, age in enumerate(ages, 1):
        machine.sql(
            "update file set closed_ns = extract(epoch from clock_timestamp() - make_interval(secs => :age)) * 1e9 "
            "where sequence = :sequence and run_id = (select id from run where number = :run)",
            age=age,
            sequence=sequence,
            run=run,
        )
        machine.through(run, sequence)
    with machine.engine.begin() as conn:
        measure.take(conn, 1000)


def test_quantiles_are_within_five_per_cent(machine: SmallMachine, conn: Connection) -> None:
    closed(machine, 5, *[100.0] * 8, 1000.0, 5000.0)
    found = latency(conn)
    assert found.last_hour == found.today
    assert found.today.n == 10
    assert found.today.p50 == pytest.approx(100, rel=0.06)
    assert found.today.p95 == pytest.approx(5000, rel=0.06)
    assert [group.name for group in found.kinds] == ["science"]
    assert sum(hour.took.n for hour in found.hours) == 10
    assert [step.step for step in found.steps] == ["catalog", "place", "reconstruct", "salt"]


def test_a_campaign_that_is_not_realtime_counts_only_where_it_is_asked_for(
    machine: SmallMachine, conn: Connection
) -> None:
    closed(machine, 5, 100.0)
    machine.sql("update campaign set kind = 'bulk'")
    assert latency(conn).today.n == 0
    (name,) = conn.exec_driver_sql("select name from campaign").scalars()
    assert latency(conn, where=LatencyFilter(campaign=name)).today.n == 1
    assert latency(conn, where=LatencyFilter(campaign=name, kind="led")).today.n == 0


def test_with_nothing_measured_nothing_is_said(conn: Connection) -> None:
    found = latency(conn)
    assert (found.today.n, found.today.p50, found.hours, found.steps) == (0, None, (), ())
