"""Who changes many items locks them in the order of their ids, whatever a batch says of them."""

import threading

import pytest
from sqlalchemy import Connection, text

from headframe.daemon.conductor.applying import apply
from headframe.statemachine.records import ArrivedFile, Outcome, RunInfo
from headframe.statemachine.store.arrivals import register
from headframe.statemachine.store.core import lock_items
from headframe.statemachine.store.fold import Said

from .servers import wait_until
from .small_machine import WORKER, SmallMachine
from .two_conductors import batch

WAITING = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")


def untyped(conn: Connection, machine: SmallMachine) -> None:
    file = ArrivedFile(site="source", path="2_1", name="2_1", run=2, sequence=1, size=3, mtime_ns=1)
    register(conn, [file], machine.book)


@pytest.mark.parametrize("reported_first", [True, False])
def test_items_of_a_run_whose_type_is_learned_are_locked_in_order_with_those_of_a_report(
    machine: SmallMachine, *, reported_first: bool
) -> None:
    for reported in (reported_first, not reported_first):
        if reported:
            machine.arrive(1, 1)
        else:
            with machine.engine.begin() as conn:
                untyped(conn, machine)
    first, second = sorted((machine.item(1, 1).id, machine.item(2, 1).id))
    outcome = Outcome(item=machine.item(1, 1).id, epoch=1, trigger="start", step="salt")
    both = batch(runs=[RunInfo(run=2, source="rundb", kind="science")], said=[Said(outcome=outcome, reporter=WORKER)])

    def conduct() -> None:
        with machine.engine.begin() as conn:
            apply(conn, both, machine.book)

    conductor = threading.Thread(target=conduct)
    with machine.engine.begin() as other, machine.engine.connect() as plain:
        lock_items(other, [first])
        conductor.start()
        watching = plain.execution_options(isolation_level="AUTOCOMMIT")
        wait_until(lambda: watching.execute(WAITING).scalar_one() > 0, 60, "the conductor waits")
        other.execute(text("set local lock_timeout = '30s'"))
        lock_items(other, [second])
    conductor.join(60)
    assert (machine.item(1, 1).phase, machine.item(2, 1).phase) == ("executing", "ready")
