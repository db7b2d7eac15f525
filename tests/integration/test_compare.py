"""A failed file beside its nearest sibling that worked, what differs told apart from what does not."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from headframe.statemachine.records import Usage
from headframe.statemachine.views import compare, file

from .small_machine import SmallMachine


@pytest.fixture
def conn(machine: SmallMachine) -> Iterator[Connection]:
    with machine.engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def number(conn: Connection, name: str) -> int:
    found = file(conn, name)
    assert found is not None
    return found.id


def test_a_failed_file_is_compared_with_the_nearest_one_that_worked(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2, 3, 9)
    machine.do(5, 1)
    machine.do(5, 9)
    usage = Usage(wall_s=90.0, cpu_s=80.0, memory_peak=5_000_000_000)
    machine.say(5, 3, "fail", reason_code="exit-3", reason="no peaks", usage=usage)
    machine.sql("update attempt set host = 'node-8' where outcome = 'succeeded'")
    found = compare(conn, number(conn, "5/3"))
    assert found is not None
    assert found.that is not None
    assert (found.this.outcome, found.that.outcome, found.that.sequence) == ("failed", "succeeded", 1)
    assert found.how == "the nearest file of run 5 whose salt worked"
    differs = {each.what: each.differs for each in found.differences}
    assert differs["host"] is True
    assert differs["campaign"] is False
    assert found.this.wall_s == 90.0
    assert found.that.software == "test 1.0"


def test_where_none_of_the_run_worked_the_latest_of_its_type_is_taken(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.arrive(6, 1)
    machine.do(6, 1)
    machine.say(5, 1, "fail", reason_code="exit-3", reason="no peaks")
    found = compare(conn, number(conn, "5/1"))
    assert found is not None
    assert found.that is not None
    assert (found.that.run, found.how) == (6, "the latest file of type science whose salt worked")


def test_without_a_sibling_it_says_so(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2)
    machine.say(5, 1, "fail", reason_code="exit-3", reason="no peaks")
    found = compare(conn, number(conn, "5/1"))
    assert found is not None
    assert found.that is None
    assert found.how == "no file near it, and none lately of its type, has had its salt done"
    assert compare(conn, number(conn, "5/2")) is None
