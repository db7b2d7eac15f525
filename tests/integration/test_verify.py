"""`verify` finds each kind of damage, and none where the store alone was at work."""

from pathlib import Path

import pytest

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store import runs, sweep
from headframe.statemachine.verify import Fault, checks, verify

from .small_machine import SmallMachine

INBOXES = (("source", "inbox"),)


@pytest.fixture
def finished(machine: SmallMachine) -> SmallMachine:
    """Run 7: three files and its summary are done."""
    machine.arrive(7, 1, 2, 3)
    machine.inform(7, expected=3, closed=True)
    machine.through(7, 1, 2, 3)
    machine.do(7, None)
    return machine


def broken(machine: SmallMachine, *, deep: bool = False) -> list[Fault]:
    with machine.engine.connect() as conn:
        return list(verify(conn, INBOXES, machine.resolve if deep else None))


def codes(machine: SmallMachine, *, deep: bool = False) -> set[str]:
    return {fault.code for fault in broken(machine, deep=deep)}


def without_triggers(machine: SmallMachine, statement: str) -> None:
    """Change a table behind the back of the database's own bookkeeping."""
    with machine.engine.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")
        conn.exec_driver_sql(statement)


def test_a_run_that_went_through_is_whole(finished: SmallMachine) -> None:
    assert finished.item(7, None).state == "summarized"
    assert broken(finished, deep=True) == []


def test_an_empty_instance_is_whole(machine: SmallMachine) -> None:
    assert broken(machine, deep=True) == []


def test_whatever_operators_and_workers_do_stays_whole(machine: SmallMachine) -> None:
    machine.arrive(8, 1, 2, 3, 4, 5)
    machine.arrive(9, 1, 2, kind="calibration")
    machine.arrive(10, 1, kind="never-heard-of")
    machine.submit(8, 1)
    machine.say(8, 1, "start")
    machine.say(8, 1, "interrupt", reason_code="lost-lease", reason="gone")
    machine.say(8, 2, "fail", reason_code="bad", reason="broken", permanent=True)
    machine.act(Trigger.RESOLVE, files=("run8_0002.h5",))
    machine.say(8, 3, "start")
    machine.act(Trigger.HOLD, files=("run8_0003.h5",))
    machine.act(Trigger.RELEASE, files=("run8_0003.h5",))
    machine.say(8, 4, "fail", reason_code="bad", reason="broken", permanent=True)
    machine.act(Trigger.ABANDON, files=("run8_0004.h5",))
    machine.through(8, 1, 2, 3, 5)
    machine.through(9, 1, 2)
    machine.inform(8, expected=5, closed=True)
    machine.do(8, None)
    assert broken(machine, deep=True) == []
    machine.act(Trigger.RESET, state="placed", files=("run8_0001.h5",))
    machine.act(Trigger.RECOVER, files=("run8_0004.h5",))
    assert broken(machine, deep=True) == []
    with machine.engine.begin() as conn:
        runs.reclassify(conn, 10, "calibration", machine.book.pipelines.get, "anna", "it was one")
        runs.reclassify(conn, 8, "calibration", machine.book.pipelines.get, "anna", "it was one")
        runs.waive(conn, 9, [3], "anna", "lost")
    assert broken(machine, deep=True) == []


DAMAGE = {
    "history-gap": "delete from history where version = 3",
    "history-double": "insert into history select * from history where trigger = 'start'",
    "history-begin": "delete from history where version = 1",
    "history-present": "update item set state = 'salted' where scope = 'file'",
    "illegal-move": "update history set trigger = 'release' where trigger = 'succeed' and to_state = 'salted'",
    "epoch-used-again": "update history set to_epoch = epoch where to_phase = 'ready' and from_state is not null",
    "epoch-decreased": "update history set to_epoch = epoch - 1 where to_phase = 'done'",
    "accepted-twice": "update history set epoch = 1 where trigger = 'succeed'",
    "phase-columns": "update item set owner = 'somebody' where scope = 'file'",
    "attempt-running": "update attempt set outcome = 'running'",
    "count-differs": "update count_delta set n = n + 1 where id = (select min(id) from count_delta)",
    "run-ahead": "update item set state = 'placed', phase = 'ready' where scope = 'file'",
    "run-not-complete": "update run set expected = 4",
    "waived-differs": "update run set waived = 1",
    "product-not-accepted": "update product set epoch = epoch + 100",
    "product-without-replica": "delete from replica where product_id is not null",
    "product-in-inbox": "update replica set site = 'source', path = 'inbox/' || path where product_id is not null",
}


@pytest.mark.parametrize("code", DAMAGE)
def test_each_kind_of_damage_has_its_code(finished: SmallMachine, code: str) -> None:
    without_triggers(finished, DAMAGE[code])
    assert code in codes(finished)


def test_products_of_two_epochs_that_stand_are_named(finished: SmallMachine) -> None:
    finished.sql(
        "insert into product (run_id, file_id, campaign_id, item_id, epoch, step, name, type) "
        "select run_id, file_id, campaign_id, item_id, epoch + 1, step, name, type from product where step = 'salt'"
    )
    assert "products-of-two-epochs" in codes(finished)


def test_counts_of_all_runs_that_are_not_the_sum_of_the_runs_are_named(finished: SmallMachine) -> None:
    with finished.engine.begin() as conn:
        sweep.fold(conn, 1000)
    assert broken(finished) == []
    finished.sql("update count_whole set n = n + 1 where scope = 'run' and phase = 'done'")
    (fault,) = broken(finished)
    assert (fault.code, fault.subject) == ("count-differs", "all runs together")


def test_a_fault_names_the_file_and_what_is_wrong(finished: SmallMachine) -> None:
    without_triggers(finished, "update item set version = 99 where file_id is not null")
    fault = next(fault for fault in broken(finished) if fault.code == "history-present")
    assert "file run7_0001.h5 of run 7" in fault.subject
    assert "version 99" in fault.sentence


def test_history_may_begin_at_a_checkpoint(finished: SmallMachine) -> None:
    finished.sql(
        "insert into history_checkpoint (item_id, version, at, state, phase, epoch, campaign_id) "
        "select item_id, version, at, to_state, to_phase, to_epoch, campaign_id from history where version = 4"
    )
    without_triggers(finished, "delete from history where version <= 4")
    assert not {code for code in codes(finished) if code.startswith("history")}


def test_deep_reads_every_replica(finished: SmallMachine) -> None:
    files = sorted((finished.root / "work").rglob("*.root"))
    files[0].write_bytes(b"x" * files[0].stat().st_size)
    files[1].write_bytes(b"shorter")
    files[2].unlink()
    (finished.root / "source" / "inbox" / "run7_0001.h5").write_bytes(b"raw 7 9")
    found = {fault.code: fault for fault in broken(finished, deep=True)}
    assert {"replica-checksum", "replica-size", "replica-missing"} <= set(found)
    assert any("run7_0001.h5" in f.subject for f in broken(finished, deep=True) if f.code == "replica-checksum")
    assert codes(finished) == set()


def test_deep_names_a_site_that_is_not_configured(finished: SmallMachine) -> None:
    without_triggers(finished, "update replica set site = 'elsewhere' where id = (select min(id) from replica)")
    assert "site-unknown" in codes(finished, deep=True)


def test_deep_checks_readable_links(finished: SmallMachine) -> None:
    without_triggers(finished, "update replica set link = 'nowhere.root' where product_id is not null")
    assert "link-broken" in codes(finished, deep=True)


def test_every_check_has_a_title_of_its_own() -> None:
    titles = [check.title for check in checks(INBOXES, Path)]
    assert len(titles) == len(set(titles))
