"""`headframe db`: sizes, and dropping old history: what it says, what it refuses, how it ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from headframe.statemachine.store import prune
from headframe.statemachine.verify import keep_history

from ....integration.months import BACK, month, months_pass, partitions
from ....integration.small_machine import SmallMachine
from .conftest import Headframe, process

THIS = f"{month():%Y-%m}"
LAST = f"{month(1):%Y-%m}"
WHY = ("--reason", "disk full", "--yes")


@pytest.fixture
def old(machine: SmallMachine) -> SmallMachine:
    """Run 5: two files, one done, with all their history in the last month."""
    machine.arrive(5, 1, 2)
    machine.through(5, 1)
    months_pass(machine.engine)
    machine.do(5, 2)
    return machine


def test_a_dry_run_names_every_month_and_changes_nothing(old: SmallMachine, headframe: Headframe) -> None:
    before = partitions(old.engine)
    found = headframe("db", "prune-history", "--before", THIS, "--reason", "x", "--dry-run")
    assert found.code == 0, found.err
    assert found.lines[0].split() == ["MONTH", "LINES", "ITEMS", "SIZE", "PARTITION"]
    assert [line.split()[0] for line in found.lines[1 : BACK + 1]] == [f"{month(n):%Y-%m}" for n in range(BACK, 0, -1)]
    assert found.lines[BACK].split()[1:3] == ["11", "3"]
    assert found.lines[BACK].split()[-1] == f"history_{month(1):%Y_%m}"
    assert f"would have dropped {BACK} months, 11 lines of 3 items" in found.out
    assert "nothing was changed" in found.out
    assert partitions(old.engine) == before


def test_it_drops_and_verify_goes_on_from_there(old: SmallMachine, headframe: Headframe) -> None:
    found = headframe("db", "prune-history", "--before", THIS, *WHY)
    assert found.code == 0, found.err
    assert found.lines[-2].startswith(f"dropped {LAST}: 11 lines, ")
    assert found.lines[-1] == "next: headframe verify"
    assert headframe("verify").code == 0
    told = headframe("describe", "file", "run5_0001.h5").out
    assert "older history  dropped; it left off at cataloged done, epoch 4" in told
    assert headframe("describe", "file", "run5_0001.h5", "-o", "json").json["dropped"][0]["phase"] == "done"
    again = headframe("db", "prune-history", "--before", THIS, *WHY)
    assert (again.code, again.out) == (0, f"nothing to drop: no month of history before {THIS} is there\n")


@pytest.mark.parametrize(
    ("before", "code", "says"),
    [
        ("2999-01", 1, "that month is not over"),
        ("2026-13", 2, "2026-13 is no month; write 2026-10"),
        ("yesterday", 2, "yesterday is no month"),
    ],
)
def test_what_makes_no_sense_is_refused(
    old: SmallMachine, headframe: Headframe, before: str, code: int, says: str
) -> None:
    found = headframe("db", "prune-history", "--before", before, *WHY)
    assert (found.code, says in found.err) == (code, True), found.err


def test_without_a_terminal_it_wants_yes(old: SmallMachine, headframe: Headframe) -> None:
    found = headframe("db", "prune-history", "--before", THIS, "--reason", "x")
    assert found.code == 2
    assert "Give --yes" in found.err
    assert f"history_{month(1):%Y_%m}" in partitions(old.engine)


def test_history_that_does_not_replay_is_evidence(old: SmallMachine, headframe: Headframe) -> None:
    old.sql("alter table history disable trigger history_append_only")
    with old.engine.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")
        conn.exec_driver_sql("delete from history where version = 3")
    found = headframe("db", "prune-history", "--before", THIS, *WHY)
    assert found.code == 1
    assert "history-gap" in found.out
    assert "nothing was dropped" in found.err
    assert f"history_{month(1):%Y_%m}" in partitions(old.engine)
    assert headframe("db", "prune-history", "--before", THIS, *WHY, "--unchecked").code == 0
    assert f"history_{month(1):%Y_%m}" not in partitions(old.engine)


def test_a_reader_makes_it_stop_and_say_who(
    old: SmallMachine, headframe: Headframe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "PATIENCE_S", 0.1)
    with old.engine.connect() as reader:
        keep_history(reader)
        found = headframe("db", "prune-history", "--before", THIS, *WHY)
    assert found.code == 1
    assert f"{LAST}; headframe (PostgreSQL process" in found.err
    assert "say it again later" in found.err


def test_killed_half_way_it_has_broken_nothing_and_goes_on(
    old: SmallMachine, headframe: Headframe, config_file: Path
) -> None:
    code = "from headframe.daemon.cli import main; main()"
    command = [sys.executable, "-c", code, "--config", str(config_file), "db", "prune-history", "--before", THIS, *WHY]
    with old.engine.connect() as reader:
        keep_history(reader)
        pruning = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        until(old, "select count(*) from operation where action = 'prune-history'", 1)
        until(old, "select count(*) from pg_stat_activity where wait_event_type = 'Lock'", 1)
        pruning.send_signal(signal.SIGKILL)
        pruning.communicate()
    assert headframe("verify").code == 0
    until(old, "select count(*) from pg_locks where locktype = 'advisory'", 0)
    assert headframe("db", "prune-history", "--before", THIS, *WHY).code == 0
    assert headframe("verify").code == 0
    with old.engine.connect() as conn:
        ended = conn.execute(text("select status from operation order by id")).scalars().all()
    assert ended == ["stopped", "done"]


def until(machine: SmallMachine, question: str, wanted: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with machine.engine.connect() as conn:
            if conn.execute(text(question)).scalar_one() == wanted:
                return
        time.sleep(0.02)
    raise AssertionError(question)


def test_sizes_name_every_table_and_what_it_grows_with(old: SmallMachine, headframe: Headframe) -> None:
    rows = headframe("db", "sizes", "-o", "json").json
    found = {row["name"]: row for row in rows}
    assert "history" in found
    assert not [name for name in found if name.startswith("history_2")]
    assert found["history"]["size"] > 0
    with old.engine.connect() as conn:
        assert found["item"]["rows"] == conn.execute(text("select count(*) from item")).scalar_one() > 0
    assert "whole months can be dropped" in headframe("db", "sizes").out
    assert process(old.root / "headframe.toml", "db", "sizes", "-o", "name").returncode == 0
