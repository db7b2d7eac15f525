"""Pauses and drains: what goes out, what workers are told, what they leave alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from headframe.statemachine.pipeline import RunType, Step, build
from headframe.statemachine.store import dispatch, pauses
from headframe.statemachine.store.errors import NotFoundError, RefusedError
from headframe.statemachine.store.pauses import Told, WorkerSeen
from headframe.statemachine.views import workers

from .small_machine import SmallMachine

ANNA = WorkerSeen(owner="a1", name="anna", halted=())


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    steps = [Step(name="salt", to="salted", site="work"), Step(name="catalog", to="cataloged", makes="nothing")]
    made = SmallMachine(database_url, tmp_path, build("default", steps, {"science": RunType()}))
    yield made
    made.engine.dispose()


@pytest.fixture
def conn(machine: SmallMachine) -> Iterator[Connection]:
    machine.arrive(1, 1, 2, 3)
    machine.sql(
        "insert into process (owner, role, detail) values ('a1', 'worker', '{\"name\": \"anna\"}'), "
        "('b1', 'worker', '{\"name\": \"bert\"}'), ('b2', 'worker', '{\"name\": \"bert\"}')"
    )
    with machine.engine.begin() as connection:
        yield connection


def to_tell(conn: Connection, seen: list[WorkerSeen]) -> list[Told]:
    rows = conn.execute(text("select what, name from pause"))
    return pauses.to_tell(seen, [(row.what, row.name) for row in rows])


def going_out(conn: Connection) -> int:
    return len(dispatch.waiting(conn, "salt", "live", 10))


@pytest.mark.parametrize(("what", "name"), [("step", "salt"), ("lane", "live")])
def test_what_is_paused_sends_nothing_out_until_it_is_resumed(conn: Connection, what: pauses.What, name: str) -> None:
    assert going_out(conn) == 3
    assert pauses.pause(conn, what, name, "shifter", "because")
    assert not pauses.pause(conn, what, name, "other", "too")
    assert going_out(conn) == 0
    pauses.resume(conn, what, name, "shifter", "done")
    assert going_out(conn) == 3


def test_a_paused_site_holds_back_only_what_would_be_written_there(conn: Connection) -> None:
    conn.execute(text("insert into site (name) values ('work'), ('moon') on conflict do nothing"))
    pauses.pause(conn, "site", "moon", "shifter", "no power")
    assert going_out(conn) == 3
    pauses.pause(conn, "site", "work", "shifter", "maintenance")
    assert going_out(conn) == 0


def test_what_is_not_there_cannot_be_paused_resumed_or_drained(conn: Connection) -> None:
    for what in ("step", "lane", "site", "worker", "node"):
        with pytest.raises(NotFoundError, match=f"there is no {what} nonsense"):
            pauses.pause(conn, what, "nonsense", "shifter", "why not")  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="step salt is not paused"):
        pauses.resume(conn, "step", "salt", "shifter", "go")
    with pytest.raises(NotFoundError, match="no worker nobody"):
        pauses.drain(conn, "nobody", "shifter", "leave")
    with pytest.raises(RefusedError):
        pauses.pause(conn, "step", "salt", "shifter", " ")


def test_workers_are_told_until_their_reports_show_that_they_know(conn: Connection) -> None:
    assert to_tell(conn, [ANNA]) == []
    pauses.pause(conn, "step", "salt", "shifter", "because")
    assert to_tell(conn, [ANNA]) == [Told(owner="a1", halted=("step:salt",))]
    knows = WorkerSeen(owner="a1", name="anna", halted=("step:salt",))
    assert to_tell(conn, [knows]) == []
    pauses.resume(conn, "step", "salt", "shifter", "go on")
    assert to_tell(conn, [knows]) == [Told(owner="a1", halted=())]


@pytest.mark.parametrize("name", ["anna", "a1"])
def test_a_worker_is_paused_by_its_name_or_its_owner(conn: Connection, name: str) -> None:
    pauses.pause(conn, "worker", name, "shifter", "bad disk")
    bert = WorkerSeen(owner="b1", name="bert", halted=())
    assert to_tell(conn, [ANNA, bert]) == [Told(owner="a1", halted=("worker",))]


def test_a_node_that_is_set_aside_halts_all_its_workers_and_no_others(conn: Connection) -> None:
    conn.execute(text("update process set host = case when owner = 'b2' then 'n2' else 'n1' end"))
    pauses.pause(conn, "node", "n1", "shifter", "its disk is full")
    seen = [WorkerSeen(owner=owner, name="", halted=(), host=host) for owner, host in (("a1", "n1"), ("b2", "n2"))]
    assert to_tell(conn, seen) == [Told(owner="a1", halted=("worker",))]
    assert pauses.set_aside(conn) == {"n1": "its disk is full"}
    standings = {row.owner: (row.standing, row.told) for row in workers(conn).rows}
    assert standings["a1"] == ("paused", "node set aside by shifter: its disk is full")
    assert standings["b2"] == ("idle", "")
    pauses.resume(conn, "node", "n1", "shifter", "it is empty")
    assert pauses.set_aside(conn) == {}
    assert to_tell(conn, seen) == []


def test_a_drain_means_the_workers_of_that_name_that_run_now(conn: Connection) -> None:
    assert pauses.drain(conn, "bert", "shifter", "new version") == ["b1", "b2"]
    seen = [WorkerSeen(owner=owner, name="bert", halted=()) for owner in ("b1", "b2", "b3")]
    assert [told.owner for told in to_tell(conn, seen) if told.drain] == ["b1", "b2"]
    conn.execute(text("update process set seen_at = now() - interval '2 hours' where owner = 'b1'"))
    pauses.forget_drained(conn)
    assert [told.owner for told in to_tell(conn, seen) if told.drain] == ["b2"]


def test_every_pause_is_written_down_with_who_and_why(conn: Connection) -> None:
    pauses.pause(conn, "step", "salt", "shifter", "because")
    pauses.resume(conn, "step", "salt", "expert", "mended")
    rows = conn.execute(text("select actor, action, selection, reason from operation order by id")).all()
    assert [tuple(row) for row in rows] == [
        ("shifter", "pause", {"what": "step", "name": "salt"}, "because"),
        ("expert", "resume", {"what": "step", "name": "salt"}, "mended"),
    ]
