"""`status` says what of launchers, pilots and nodes needs somebody, and nothing while pilots come by themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from headframe.statemachine.views import WorkerFilter, launchers, service_needs, status, workers

from ..statements import statements
from .pilots_filled import launcher, pilot, set_aside
from .small_machine import SmallMachine


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    """Give a file that has waited for a worker of salt for an hour."""
    made = SmallMachine(database_url, tmp_path)
    made.alive(roles=("conductor", "sweeper"))
    made.arrive(5, 1)
    made.sql("update item set since = now() - interval '1 hour'")
    yield made
    made.engine.dispose()


@pytest.fixture
def rows(machine: SmallMachine) -> Iterator[Connection]:
    with machine.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def needs(machine: SmallMachine) -> dict[str, str]:
    """Give what needs somebody by code; the page of runs and `status` agree on it."""
    with machine.engine.connect() as conn:
        found, whole = service_needs(conn), status(conn).problems
    assert found == whole
    return {need.code: need.sentence for need in found}


def test_without_a_launcher_a_worker_is_missing(machine: SmallMachine) -> None:
    assert needs(machine) == {"no-worker": "no worker takes step salt, and work waits for it"}


def test_a_pilot_on_its_way_is_no_trouble(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows)
    pilot(rows, steps="salt, place", status="pending", job="88", reason="Priority", submitted="5 min")
    assert needs(machine) == {}


def test_a_launcher_has_a_moment_to_ask_for_a_pilot(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows)
    assert "no-worker" in needs(machine)
    machine.sql("update item set since = now()")
    assert needs(machine) == {}


def test_a_silent_launcher_needs_somebody_only_while_work_waits(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows, silent="10 min")
    pilot(rows, steps="salt", status="running", job="88", node="n2", started="20 min")
    assert "launcher cori on login04 has been silent since" in needs(machine)["launcher-silent"]
    assert needs(machine)["launcher-silent"].endswith("it starts no pilots, and work waits for salt")
    machine.alive("salt", roles=("worker",))
    machine.sql("""update process set detail = detail || '{"pilot": "hf-test-1"}' where role = 'worker'""")
    assert list(needs(machine)) == ["launcher-silent"]
    machine.through(5, 1)
    assert needs(machine) == {}


def test_a_launcher_that_was_retired_is_no_trouble_where_workers_of_others_take_its_work(
    machine: SmallMachine, rows: Connection
) -> None:
    launcher(rows, silent="10 min")
    pilot(rows, steps="salt", status="ended", code="done", job="88", ended="20 min")
    assert "launcher-silent" in needs(machine)
    machine.alive("salt", roles=("worker",))
    assert needs(machine) == {}


@pytest.mark.parametrize(("lanes", "named"), [(["live", "bulk"], False), (["bulk"], True)])
def test_a_launcher_that_was_retired_is_no_trouble_where_pilots_of_another_one_take_its_work(
    machine: SmallMachine, rows: Connection, lanes: list[str], named: bool
) -> None:
    launcher(rows, silent="10 min")
    pilot(rows, steps="salt", status="ended", code="done", job="88", ended="20 min")
    launcher(rows, "new")
    over = {"status": "ended", "code": "done", "job": "89", "ended": "5 min"}
    pilot(rows, launcher="new", steps="salt", request={"lanes": lanes}, **over)
    assert ("launcher-silent" in needs(machine)) == named


@pytest.mark.parametrize(("interval_s", "silent"), [(10, True), (190, True), (210, False)])
def test_a_launcher_is_silent_after_three_of_its_intervals(
    machine: SmallMachine, rows: Connection, interval_s: int, silent: bool
) -> None:
    launcher(rows, silent="10 min", interval_s=interval_s, wanted={"reco": 3})
    pilot(rows, steps="salt", status="pending", job="88", reason="Priority", submitted="5 min")
    assert ("launcher-silent" in needs(machine)) == silent
    (row,) = launchers(rows)
    assert (row.alive, row.interval_s, row.wanted) == (not silent, interval_s, {"reco": 3})
    (shown,) = workers(rows, WorkerFilter(role="launcher")).rows
    assert shown.standing == ("silent" if silent else "running")


def test_refused_pilots_are_named_with_the_words_of_slurm(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows, trouble={"reco": "Invalid partition name specified"})
    assert needs(machine)["pilots-refused"] == "launcher cori gets no pilot reco: Invalid partition name specified"


@pytest.mark.parametrize(("reason", "minutes", "named"), [
    ("Resources", 29, False), ("Resources", 31, True), ("JobHeldUser", 1, False), ("JobHeldUser", 3, True),
])  # fmt: skip
def test_pilots_that_wait_for_long_are_named_with_the_reason(
    machine: SmallMachine, rows: Connection, reason: str, minutes: int, named: bool
) -> None:
    launcher(rows)
    for job in ("88", "89"):
        pilot(rows, steps="salt", status="pending", job=job, reason=reason, submitted=f"{minutes} min")
    found = needs(machine)
    assert ("pilots-pending" in found) == named
    if named:
        assert "2 pilots reco of launcher cori have been pending since" in found["pilots-pending"]
        assert f"({reason})" in found["pilots-pending"]


def test_a_node_set_aside_stays_in_sight(machine: SmallMachine, rows: Connection) -> None:
    set_aside(rows, "n3")
    assert needs(machine)["node-set-aside"].startswith("node n3 is set aside by sweeper: 5 attempts in a row")


def test_an_instance_without_a_launcher_is_asked_one_question_more(machine: SmallMachine) -> None:
    with machine.engine.connect() as conn, statements(machine.engine) as asked:
        service_needs(conn)
    assert len([statement for statement in asked if "pause" in statement]) == 1
    assert not [statement for statement in asked if "FROM pilot" in statement and "FROM process" not in statement]
