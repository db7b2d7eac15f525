"""The list of failure families: counted, told apart by what they say, with what they have in common."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from headframe.statemachine.store import measure
from headframe.statemachine.views import FamilyFilter, Page, families

from .small_machine import SmallMachine


@pytest.fixture
def conn(machine: SmallMachine) -> Iterator[Connection]:
    machine.arrive(5, *range(1, 9))
    machine.arrive(6, 1, 2)
    for sequence in range(1, 5):
        machine.say(5, sequence, "fail", reason_code="exit-3", reason=f"no peaks in {sequence} channels")
    machine.say(6, 1, "fail", reason_code="exit-3", reason="no peaks in 9 channels")
    machine.say(6, 2, "fail", reason_code="walltime", reason="it took 3,600 s")
    machine.do(5, 5)
    machine.do(5, 6)
    machine.sql("update attempt set host = 'node-8' where outcome = 'succeeded'")
    with machine.engine.begin() as taking:
        measure.take(taking, 1000)
    with machine.engine.connect() as connection:
        yield connection


def test_failures_that_say_the_same_are_one_row(conn: Connection) -> None:
    first, second = families(conn).rows
    assert (first.template, first.n, first.runs, first.files) == ("no peaks in # channels", 5, 2, 5)
    assert (second.template, second.n, second.step) == ("it took # s", 1, "salt")
    assert first.example.startswith("no peaks in")
    assert first.onset < first.last


def test_what_they_have_in_common_is_said_beside_them(conn: Connection) -> None:
    said = [each.sentence for each in families(conn).rows[0].common]
    assert "5 of 5 on host node-7, where none of successes ran" in said


@pytest.mark.parametrize(
    ("where", "counts"),
    [
        (FamilyFilter(run=5), [4]),
        (FamilyFilter(run=6), [1, 1]),
        (FamilyFilter(reason_code="walltime"), [1]),
        (FamilyFilter(step="place"), []),
        (FamilyFilter(campaign="nix"), []),
        (FamilyFilter(run=6, reason_code="exit-3"), [1]),
        (FamilyFilter(family="nix"), []),
    ],
)
def test_families_are_filtered(conn: Connection, where: FamilyFilter, counts: list[int]) -> None:
    assert [row.n for row in families(conn, where).rows] == counts


def test_families_are_paged_by_key(conn: Connection) -> None:
    first = families(conn, page=Page(limit=1))
    second = families(conn, page=Page(limit=1, after=first.next))
    assert [row.n for row in (*first.rows, *second.rows)] == [5, 1]
    assert second.next == ""
