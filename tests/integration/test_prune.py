"""Old months of history go, and what is left replays: whatever happened before, whatever happens meanwhile."""

import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store import prune as module
from headframe.statemachine.store import runs
from headframe.statemachine.store.errors import RefusedError
from headframe.statemachine.store.prune import Month, plan, prune
from headframe.statemachine.store.sweep import next_partitions
from headframe.statemachine.verify import keep_history, verify

from .months import BACK, faults, month, months_pass, partitions, present, replayed
from .small_machine import SmallMachine
from .two_conductors import at_once

BY = {"actor": "anna", "reason": "the disk is full"}


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    made = SmallMachine(database_url, tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def old(machine: SmallMachine) -> SmallMachine:
    """Items in many phases, with lines in each of the last months."""
    machine.arrive(8, 1, 2, 3, 4, 5)
    machine.arrive(10, 1, kind="never-heard-of")
    machine.do(8, 1)
    machine.say(8, 2, "fail", reason_code="bad", reason="broken", permanent=True)
    machine.through(8, 5)
    months_pass(machine.engine)
    machine.act(Trigger.RESOLVE, files=("run8_0002.h5",))
    machine.say(8, 3, "start")
    machine.act(Trigger.HOLD, files=("run8_0003.h5",))
    machine.act(Trigger.RESET, files=("run8_0005.h5",), state="placed")
    machine.say(8, 4, "fail", reason_code="bad", reason="broken", permanent=True)
    machine.act(Trigger.ABANDON, files=("run8_0004.h5",))
    months_pass(machine.engine)
    machine.submit(8, 2)
    machine.say(8, 1, "start")
    return machine


def whole(machine: SmallMachine) -> bool:
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []
    assert replayed(machine.engine) == present(machine.engine)
    return True


def one(machine: SmallMachine, statement: str, **values: object) -> Any:
    with machine.engine.connect() as conn:
        return conn.execute(text(statement), values).scalar_one()


def name(first: date) -> str:
    return f"history_{first:%Y_%m}"


@pytest.mark.parametrize("ago", [0, 1])
def test_months_go_and_what_is_left_replays(old: SmallMachine, ago: int) -> None:
    was = present(old.engine)
    did = prune(old.engine, month(ago), **BY)
    assert [gone.called for gone in did.months] == sorted(f"{month(n):%Y-%m}" for n in range(ago + 1, BACK + 1))
    assert not {name(month(n)) for n in range(ago + 1, BACK + 1)} & partitions(old.engine)
    assert one(old, "select count(*) from history where at < :month", month=month(ago)) == 0
    assert name(month()) in partitions(old.engine)
    assert whole(old)
    assert present(old.engine) == was


def test_the_machine_goes_on_from_a_checkpoint(old: SmallMachine) -> None:
    prune(old.engine, month(), **BY)
    old.act(Trigger.RELEASE, files=("run8_0003.h5",))
    old.act(Trigger.RECOVER, files=("run8_0004.h5",))
    for sequence in range(1, 6):
        old.say(8, sequence, "fail", reason_code="odd", reason="again") if sequence == 1 else None
        old.sql("update item set not_before = null")
        old.through(8, sequence)
    with old.engine.begin() as conn:
        runs.reclassify(conn, 10, "calibration", old.book.pipelines.get, "anna", "it was one")
        runs.reclassify(conn, 8, "calibration", old.book.pipelines.get, "anna", "it was one")
    assert whole(old)


def test_a_plan_says_exactly_what_goes_and_changes_nothing(old: SmallMachine) -> None:
    old.sql("insert into late (at, item_id) select cast(:at as date), 1 from generate_series(1, 3)", at=month(2))
    with old.engine.connect() as conn:
        planned = plan(conn, month())
    lines = one(old, "select count(*) from history where at < :month", month=month())
    items = one(old, "select count(distinct item_id) from history where at < :month", month=month())
    assert (planned.lines, planned.items, planned.late, planned.unmoved) == (lines, items, 3, 0)
    assert planned.size == sum(one(old, "select pg_total_relation_size(cast(:n as regclass))", n=m.name)
                               for m in planned.months)  # fmt: skip
    assert one(old, "select count(*) from history_checkpoint") == 0
    did = prune(old.engine, month(), **BY)
    assert (sum(gone.lines for gone in did.months), did.late, did.left) == (lines, 3, ())
    assert one(old, "select count(*) from history_checkpoint") == items


def test_the_act_is_written_down(old: SmallMachine) -> None:
    prune(old.engine, month(1), **BY)
    with old.engine.connect() as conn:
        row = conn.execute(text("select * from operation order by id desc limit 1")).one()
    assert (row.action, row.actor, row.reason, row.status) == ("prune-history", "anna", "the disk is full", "done")
    assert row.selection["before"] == f"{month(1):%Y-%m}"
    assert row.total == row.done > 0
    assert row.finished_at is not None


def test_the_present_month_and_the_future_are_refused(old: SmallMachine) -> None:
    following = (month() + timedelta(days=32)).replace(day=1)
    with pytest.raises(RefusedError, match="that month is not over"):
        prune(old.engine, following, **BY)
    with pytest.raises(RefusedError, match="needs a reason"):
        prune(old.engine, month(), actor="anna", reason=" ")
    assert name(month(1)) in partitions(old.engine)


def test_there_may_be_nothing_to_drop(machine: SmallMachine) -> None:
    assert prune(machine.engine, month(), **BY) == module.Pruned(months=(), left=(), late=0)


def test_lines_in_no_months_partition_stay_and_are_told(machine: SmallMachine) -> None:
    machine.arrive(8, 1)
    with machine.engine.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")
        conn.exec_driver_sql("update history set at = at - interval '3 years'")
    with machine.engine.connect() as conn:
        assert plan(conn, month()).unmoved == 2
    assert prune(machine.engine, month(), **BY).months == ()
    assert whole(machine)


def test_a_clock_that_went_back_over_the_months_end_does_no_harm(machine: SmallMachine) -> None:
    machine.arrive(8, 1)
    machine.through(8, 1)
    last = machine.item(8, 1).version
    months_pass(machine.engine, 1, "version in (1, 2, 3, 5)")
    assert prune(machine.engine, month(), **BY).months
    assert whole_but_for_order(machine)
    months_pass(machine.engine, 1, "version = 4 or version = :last", last=last)
    assert prune(machine.engine, month(), **BY).months
    assert whole_but_for_order(machine)


def whole_but_for_order(machine: SmallMachine) -> bool:
    with machine.engine.connect() as conn:
        return list(verify(conn)) == []


def test_an_epoch_accepted_in_a_dropped_month_is_not_accepted_again_unseen(old: SmallMachine) -> None:
    item = old.item(8, 5).id
    epoch = one(old, "select max(epoch) from history where item_id = :item and trigger = 'succeed'", item=item)
    prune(old.engine, month(1), **BY)
    again = (
        "insert into history (item_id, version, trigger, from_state, from_phase, to_state, to_phase, epoch, to_epoch, "
        "campaign_id) select item_id, version + 1, 'succeed', to_state, to_phase, 'cataloged', 'done', :epoch, :epoch, "
        "campaign_id from history where item_id = :item order by version desc limit 1"
    )
    old.sql(again, item=item, epoch=epoch)
    with old.engine.connect() as conn:
        assert "accepted-twice" in {line.split()[0] for line in faults(conn)}


def test_a_product_that_nobody_accepted_is_still_found(old: SmallMachine) -> None:
    prune(old.engine, month(), **BY)
    assert whole(old)
    attempt = (
        "update attempt set outcome = 'failed' where (item_id, epoch) = (select item_id, epoch from product limit 1)"
    )
    old.sql(attempt)
    with old.engine.connect() as conn:
        assert {fault.code for fault in verify(conn)} == {"product-not-accepted"}


def test_a_checkpoint_that_contradicts_its_line_is_found(old: SmallMachine) -> None:
    old.sql(
        "insert into history_checkpoint (item_id, version, at, state, phase, epoch, campaign_id) "
        "select item_id, version, at, to_state, 'held', to_epoch, campaign_id from history where version = 2"
    )
    with old.engine.connect() as conn:
        assert "checkpoint-differs" in {line.split()[0] for line in faults(conn)}


class Died(Exception):
    """The process is gone."""


@pytest.mark.parametrize("page", [1, 3, 6])
def test_a_death_after_any_page_leaves_all_as_right_as_before(
    old: SmallMachine, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    left = [page]

    def dying(name: str) -> Any:
        if name == "store_checkpoints":
            left[0] -= 1
            if not left[0]:
                raise Died
        return query(name)

    query = module.query
    monkeypatch.setattr(module, "query", dying)
    with pytest.raises(Died):
        prune(old.engine, month(), **BY)
    assert whole(old)
    monkeypatch.setattr(module, "query", query)
    old.submit(8, 5)
    assert prune(old.engine, month(), **BY).left == ()
    assert whole(old)
    assert one(old, "select count(*) from operation where status = 'stopped' and action = 'prune-history'") == 1


def test_a_death_while_it_drops_takes_nothing_away(old: SmallMachine) -> None:
    with old.engine.connect() as conn:
        months = plan(conn, month()).months
    for gone in months:
        module.store_checkpoints(old.engine, gone)
    for gone in months:
        with pytest.raises(Died), old.engine.begin() as conn:
            assert module.drop_month(conn, gone, 0)
            raise Died
        assert gone.name in partitions(old.engine)
    assert whole(old)


def test_a_line_that_came_after_its_page_is_not_lost(old: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = module.store_checkpoints
    told: list[str] = []

    def and_then_a_late_line(engine: Engine, gone: Month) -> None:
        stored(engine, gone)
        told.append(gone.called)
        if told.count(gone.called) == 1 and gone.called == f"{month(1):%Y-%m}":
            old.act(Trigger.HOLD, files=("run8_0002.h5",))
            item = old.item(8, 2)
            months_pass(engine, 1, "item_id = :item and version = :version", item=item.id, version=item.version)

    monkeypatch.setattr(module, "store_checkpoints", and_then_a_late_line)
    prune(old.engine, month(), **BY)
    assert told.count(f"{month(1):%Y-%m}") == 2
    assert whole(old)


def test_a_reader_of_the_history_is_waited_for_and_named(old: SmallMachine) -> None:
    with old.engine.connect() as reader:
        keep_history(reader)
        did = prune(old.engine, month(), patience_s=0.5, **BY)
        assert (did.months, len(did.left)) == ((), BACK)
        assert "has had the history open for" in did.blocked
        assert list(verify(reader)) == []
    assert whole(old)
    assert one(old, "select status from operation where action = 'prune-history'") == "stopped"
    assert prune(old.engine, month(), **BY).left == ()


def test_what_verify_sees_does_not_change_under_it(old: SmallMachine) -> None:
    """A snapshot does not see checkpoints that came later, but tables that went are gone for it too."""
    with old.engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        keep_history(reader)
        assert faults(reader) == []
        dropping = threading.Thread(target=lambda: prune(old.engine, month(), **BY))
        dropping.start()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert faults(reader) == []
        assert dropping.is_alive()
    dropping.join(60)
    assert whole(old)
    assert name(month(1)) not in partitions(old.engine)


def test_only_one_drops_at_a_time(old: SmallMachine) -> None:
    with old.engine.connect() as reader:
        keep_history(reader)
        first = threading.Thread(target=lambda: prune(old.engine, month(), **BY))
        first.start()
        for _ in range(200):
            if one(old, "select count(*) from operation where action = 'prune-history'"):
                break
            time.sleep(0.02)
        with pytest.raises(RefusedError, match="somebody else"):
            prune(old.engine, month(), **BY)
    first.join(60)
    assert whole(old)
    assert one(old, "select count(*) from operation where status = 'done' and action = 'prune-history'") == 1


def test_a_sweeper_makes_months_meanwhile(old: SmallMachine) -> None:
    following = month()

    def sweep() -> None:
        nonlocal following
        for _ in range(20):
            following = (following + timedelta(days=95)).replace(day=1)
            made: list[str] = []
            while not made:
                with old.engine.begin() as conn:
                    made = next_partitions(conn, following)

    at_once([sweep, lambda: prune(old.engine, month(), **BY)])
    assert name(following) in partitions(old.engine)
    assert name(month(1)) not in partitions(old.engine)
    assert whole(old)


def test_writers_go_on_while_it_waits_for_readers_and_drops(old: SmallMachine) -> None:
    took: list[float] = []
    stop = threading.Event()

    def write() -> None:
        sequence = 100
        while not stop.is_set():
            began = time.monotonic()
            old.arrive(8, sequence := sequence + 1)
            took.append(time.monotonic() - began)

    def drop() -> None:
        try:
            with old.engine.connect() as reader:
                keep_history(reader)
                assert prune(old.engine, month(), patience_s=2, **BY).left
            assert not prune(old.engine, month(), **BY).left
        finally:
            stop.set()

    at_once([write, drop])
    assert len(took) > 10
    assert max(took) < 1.5, sorted(took)[-3:]
    assert whole(old)
