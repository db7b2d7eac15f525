"""A database of before: its counters begin with the upgrade, and what its reason codes are stays as it is written."""

import re
from pathlib import Path

import pytest

from headframe.statemachine import database
from headframe.statemachine.store import measure
from headframe.statemachine.views.sums import sums
from headframe.web.metric_sums import CLASSES

from .small_machine import SmallMachine
from .test_migrations import back

DOCS = Path(__file__).parents[2] / "docs"


def test_after_an_upgrade_it_is_known_since_when_no_file_came_and_all_else_counts_from_then(
    machine: SmallMachine,
) -> None:
    machine.arrive(5, 1)
    back(machine.engine, "0013_alerts")
    machine.do(5, 1)
    database.upgrade(machine.engine, "headframe")
    with machine.engine.connect() as conn:
        found = sums(conn)
    assert (found.transitions, found.attempts, found.arrived) == ({}, {}, {"science": 0})
    assert found.last_file == machine.sql_value("select registered_at from file")
    machine.through(5, 1)
    with machine.engine.begin() as conn:
        measure.take(conn, 100)
        found = sums(conn)
    assert found.attempts == {(step, "live", "done"): 1 for step in ("place", "reconstruct", "catalog")}
    assert {state: each.n for state, each in found.reached.items()} == {
        "salted": 1, "placed": 1, "reconstructed": 1, "cataloged": 1,
    }  # fmt: skip


def interrupts() -> list[str]:
    """Give the codes of the handbook's table of interrupts."""
    lines = (DOCS / "operations.md").read_text().partition("### Interrupted: the place")[2].partition("### Held")[0]
    rows = [line for line in lines.splitlines() if line.startswith("| `")]
    return [code for row in rows for code in re.findall(r"`([a-z-]+)`", row.split("|")[1])]


def documented() -> dict[str, str]:
    """Give the class of each code that the page of metrics names."""
    table = (DOCS / "metrics.md").read_text().partition("## Classes of retries")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    return {code: row[1].strip(" `") for row in rows for code in re.findall(r"`([a-z-]+)`", row[2])}


def test_each_reason_code_is_of_the_class_that_is_documented(machine: SmallMachine) -> None:
    named = documented()
    assert len(interrupts()) > 20
    for code in interrupts():
        found = machine.sql_value("select retry_class('interrupt', :code)", code=code)
        assert found == named.get(code, "infrastructure")
        assert found in CLASSES
    assert machine.sql_value("select retry_class('fail', 'memory')") == "payload"


@pytest.mark.parametrize(("seconds", "bucket"), [(0, -80), (1, 0), (1.99, 7), (2, 8), (1e9, 239)])
def test_eight_buckets_are_a_doubling(machine: SmallMachine, seconds: float, bucket: int) -> None:
    assert machine.sql_value("select seconds_bucket(:seconds)", seconds=seconds) == bucket
