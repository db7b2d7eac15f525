"""Measures: whatever happens, each change is measured once, and the numbers are those of a recount."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from headframe.daemon.sweeper.measuring import Measuring
from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import Usage
from headframe.statemachine.store import measure
from headframe.statemachine.store.prune import prune
from headframe.statemachine.views.sums import sums

from . import recount_sums
from .months import month, months_pass
from .recount import kept, recounted
from .small_machine import SmallMachine
from .test_machine_property import KINDS, TwoConductors


@pytest.fixture
def engine(database_url: str, instance: str) -> Iterator[Engine]:
    made = connect(database_url, instance)
    yield made
    made.dispose()


def take(engine: Engine, page: int = 1000) -> int:
    with engine.begin() as conn:
        return measure.take(conn, page)


def rows(machine: SmallMachine, statement: str, **values: Any) -> list[Any]:
    with machine.engine.connect() as conn:
        return list(conn.execute(text(statement), values))


def test_after_any_storm_the_measures_are_what_a_recount_gives(engine: Engine) -> None:
    @settings(max_examples=12, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=True))
    def storm(random: Random) -> None:
        machine = TwoConductors(engine)
        machine.two_runs_begin((random.choice(KINDS[:3]), random.choice((*KINDS, None))))
        for _ in range(40):
            machine.happen(random)
            if random.random() < 0.3:
                _take_or_die(engine, random)
        while take(engine):
            pass
        with engine.connect() as conn:
            assert kept(conn) == recounted(conn)
            assert recount_sums.told(sums(conn)) == recount_sums.recounted(conn)

    storm()


def _take_or_die(engine: Engine, random: Random) -> None:
    """Take a page; as often as not the process dies before it commits."""
    with engine.connect() as conn:
        measure.take(conn, random.choice((1, 3, 50)))
        measure.fold_sums(conn, random.choice((1, 3, 50)))
        if random.random() < 0.5:
            conn.commit()
        else:
            conn.rollback()


def test_what_commits_late_is_measured_once(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    with machine.engine.connect() as slow:
        _passes(slow, machine.item(5, 1).id)
        machine.do(5, 2)
        assert take(machine.engine) == 1
        slow.commit()
    assert take(machine.engine) == 1
    assert take(machine.engine) == 0
    with machine.engine.connect() as conn:
        assert kept(conn) == recounted(conn)


def _passes(conn: Connection, item: int) -> None:
    conn.execute(
        text(
            "update item set state = 'salted', step = 'place', version = version + 1, epoch = epoch + 1, "
            "trigger = 'succeed', changed_at = clock_timestamp() where id = :item"
        ),
        {"item": item},
    )


def test_two_that_measure_at_once_do_not_wait_for_each_other(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.through(5, 1)
    with machine.engine.connect() as first:
        assert measure.take(first, 1) == 1
        assert take(machine.engine) == 0
        first.commit()
    assert take(machine.engine) == 3


def test_a_files_latency_runs_from_its_closing_to_the_first_time_that_it_is_done(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.sql("update file set closed_ns = extract(epoch from clock_timestamp() - interval '100 s') * 1000000000")
    machine.through(5, 1)
    machine.act(Trigger.RESET, state="placed", runs=(5,), scope="file")
    machine.through(5, 1)
    take(machine.engine)
    (found,) = rows(machine, "select * from measure_latency where what = 'latency'")
    assert (found.n, found.kind) == (1, "science")
    assert 100 <= found.seconds < 200


def test_what_a_step_takes_is_what_it_waits_and_what_the_worker_works(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.say(5, 1, "start")
    machine.say(5, 1, "succeed", skipped=False, usage=Usage(wall_s=0.001), **machine._made(5, 1, machine.item(5, 1)))
    take(machine.engine)
    found = {row.what: row.seconds for row in rows(machine, "select what, seconds from measure_latency")}
    (took,) = rows(
        machine,
        "select extract(epoch from max(at) - min(at)) as s from history where trigger in ('arrive', 'succeed') "
        "and item_id = :item",
        item=machine.item(5, 1).id,
    )
    assert found["working"] == 0.001
    assert found["waiting"] + found["working"] == pytest.approx(float(took.s))


def test_old_spans_become_hours_and_days_and_lose_nothing(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2, 3)
    machine.through(5, 1, 2, 3)
    machine.arrive(6, 1)
    machine.say(6, 1, "fail", reason="no peaks")
    take(machine.engine)
    with machine.engine.connect() as conn:
        before = kept(conn)
    for age, span in (("3 days", 60), ("100 days", 1440)):
        for table in ("measure_latency", "measure_rate", "measure_failure"):
            machine.sql(f"update {table} set at = at - cast(:age as interval)", age=age)
        while _coarsened(machine):
            pass
        with machine.engine.connect() as conn:
            assert kept(conn) == before
        assert {
            row.span for row in rows(machine, "select span from measure_latency union select span from measure_rate")
        } == {span}


def _coarsened(machine: SmallMachine) -> int:
    with machine.engine.begin() as conn:
        return measure.coarsen(conn, 2)


def test_dropping_old_history_takes_nothing_from_the_measures(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.through(5, 1)
    take(machine.engine)
    machine.arrive(6, 1)
    machine.do(6, 1)
    with machine.engine.connect() as conn:
        before = kept(conn)
    months_pass(machine.engine)
    prune(machine.engine, month(), actor="anna", reason="the disk is full")
    with machine.engine.connect() as conn:
        assert kept(conn) == before
    assert take(machine.engine) == 1
    (found,) = rows(machine, "select sum(done) as n from measure_rate")
    assert found.n == 5


def test_a_sweeper_catches_up_after_an_outage_in_pages(machine: SmallMachine) -> None:
    machine.arrive(5, *range(1, 6))
    machine.through(5, *range(1, 6))
    measuring = Measuring(machine.engine, page=3)
    assert measuring.pages(measure.take) == 20
    with machine.engine.connect() as conn:
        assert kept(conn) == recounted(conn)
