"""The partitions of history are made behind nobody's back, and in nobody's way."""

import threading

import pytest
from sqlalchemy import text

from headframe.consumers.broker import Names
from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub
from headframe.daemon.sweeper.sweeper import Sweeper, SweeperSettings

from .small_machine import SmallMachine

PARTITIONS = text("select count(*) from pg_inherits where inhparent = 'history'::regclass")


@pytest.mark.timeout(120)
def test_partitions_wait_for_a_long_transaction_and_writers_do_not_wait_for_them(machine: SmallMachine) -> None:
    sweeper = Sweeper(machine.engine, MemoryBroker(MemoryHub()), Names("headframe"), SweeperSettings())
    with machine.engine.begin() as conn:
        months = conn.execute(
            text("select inhrelid::regclass::text from pg_inherits where inhparent = 'history'::regclass")
        ).scalars()
        last = max(month for month in months if "default" not in month)
        conn.execute(text(f"drop table {last}"))
    with machine.engine.connect() as long:
        before = long.execute(PARTITIONS).scalar_one()
        long.execute(text("select count(*) from history"))
        waiting = threading.Thread(target=sweeper.partition)
        waiting.start()
        machine.arrive(1, 1)
        machine.do(1, 1)
        waiting.join(60)
        assert not waiting.is_alive()
        sweeper.partition()
        assert long.execute(PARTITIONS).scalar_one() == before, "not at once again"
    sweeper._partition_due = 0.0
    sweeper.partition()
    with machine.engine.connect() as conn:
        assert conn.execute(PARTITIONS).scalar_one() == before + 1
