"""Who changes many items locks them in the order of their ids, whatever a batch says of them."""

import threading
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    made = SmallMachine(database_url, tmp_path)
    yield made
    made.engine.dispose()


def untyped(conn: Connection, machine: SmallMachine) -> None:
    file = ArrivedFile(site="source", path="2_1", name="2_1", run=2, sequence=1, size=3, mtime_ns=1)
    register(conn, [file], machine.book)


def test_items_of_a_run_whose_type_is_learned_are_locked_after_lower_ones_of_a_report(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    with machine.engine.begin() as conn:
        untyped(conn, machine)
    reported, moved = machine.item(1, 1), machine.item(2, 1)
    assert reported.id < moved.id
    said = Said(outcome=Outcome(item=reported.id, epoch=1, trigger="start", step="salt"), reporter=WORKER)
    both = batch(runs=[RunInfo(run=2, source="rundb", kind="science")], said=[said])

    def conduct() -> None:
        with machine.engine.begin() as conn:
            apply(conn, both, machine.book)

    conductor = threading.Thread(target=conduct)
    with machine.engine.begin() as other, machine.engine.connect() as plain:
        lock_items(other, [reported.id])
        conductor.start()
        watching = plain.execution_options(isolation_level="AUTOCOMMIT")
        wait_until(lambda: watching.execute(WAITING).scalar_one() > 0, 60, "the conductor waits")
        other.execute(text("set local lock_timeout = '30s'"))
        lock_items(other, [moved.id])
    conductor.join(60)
    assert (machine.item(1, 1).phase, machine.item(2, 1).phase) == ("executing", "ready")
