"""Acting: what changes, what is refused, who is written down, and how it ends."""

from pathlib import Path

import pytest

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store.operating import Order, Selection, begin, limits
from headframe.statemachine.store.words import spread

from ....integration.small_machine import SmallMachine
from .conftest import Headframe, process

WHY = ("--reason", "beam trip", "--yes")


@pytest.fixture
def failed(machine: SmallMachine) -> SmallMachine:
    """Run 5: two files failed, one is ready."""
    machine.arrive(5, 1, 2, 3)
    for sequence in (1, 2):
        machine.say(5, sequence, "fail", reason_code="bad", reason="broken", permanent=True)
    return machine


def test_requeue_says_what_changed_and_history_says_who(failed: SmallMachine, headframe: Headframe) -> None:
    found = headframe("requeue", "run", "5", *WHY)
    assert found.code == 0
    assert found.lines == [
        "requeued 2 items: run5_0001.h5, run5_0002.h5",
        "next: headframe get files --phase ready",
    ]
    row = failed.item(5, 1)
    assert (row.phase, row.actor, row.reason, row.trigger) == ("ready", "anna", "beam trip", "resolve")


def test_a_dry_run_counts_exactly_and_changes_nothing(failed: SmallMachine, headframe: Headframe) -> None:
    found = headframe("requeue", "--run", "5", "--dry-run")
    assert (found.code, found.out) == (0, "would have requeued 2 items; nothing was changed\n")
    assert failed.item(5, 1).phase == "failed"


def test_a_filter_selects(failed: SmallMachine, headframe: Headframe) -> None:
    assert "held 1 item: run5_0003.h5" in headframe("hold", "--run", "5", "--phase", "ready", *WHY).out
    assert "released 1 item" in headframe("release", "--phase", "held", *WHY).out
    assert "abandoned 2 items" in headframe("abandon", "--reason-code", "bad", *WHY).out
    assert "recovered 1 item" in headframe("recover", "file", "5/2", *WHY).out
    assert "cancelled 1 item" in headframe("cancel", "file", "run5_0002.h5", *WHY).out
    assert "reset 3 items to arrived" in headframe("reset", "--run", "5", "--to", "arrived", *WHY).out


@pytest.mark.parametrize("command", ["requeue", "release", "recover", "reset"])
def test_only_lanes_that_have_queues_can_be_named(failed: SmallMachine, headframe: Headframe, command: str) -> None:
    to = ("--to", "arrived") if command == "reset" else ()
    assert headframe(command, "run", "5", "--lane", "fast", *to, *WHY).code == 2
    assert failed.item(5, 1).lane == "live"


def test_requeue_moves_to_a_lane(failed: SmallMachine, headframe: Headframe) -> None:
    assert headframe("requeue", "run", "5", "--lane", "bulk", *WHY).code == 0
    assert (failed.item(5, 1).lane, failed.item(5, 1).phase) == ("bulk", "ready")


def test_many_items_go_on_in_the_bulk_lane_and_every_answer_says_so(
    failed: SmallMachine, headframe: Headframe, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MANY", 1)
    dry = headframe("requeue", "--run", "5", "--reason", "x", "--dry-run")
    assert dry.out == "would have requeued 2 items in the bulk lane; nothing was changed\n"
    done = headframe("requeue", "--run", "5", *WHY)
    assert done.lines[0] == "requeued 2 items in the bulk lane: run5_0001.h5, run5_0002.h5"
    assert "it is in the bulk lane: live data goes first" in headframe("why", "file", "5/1").out


def test_many_items_stay_in_the_live_lane_where_it_is_named(
    failed: SmallMachine, headframe: Headframe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MANY", 1)
    assert "requeued 2 items in the live lane: " in headframe("requeue", "--run", "5", "--lane", "live", *WHY).out
    assert failed.item(5, 1).lane == "live"


def test_reset_goes_back_to_a_state(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1)
    machine.through(5, 1)
    found = headframe("reset", "file", "5/1", "--to", "placed", *WHY)
    assert (found.code, found.lines[0]) == (0, "reset 1 item to placed: run5_0001.h5")
    assert (machine.item(5, 1).state, machine.item(5, 1).phase) == ("placed", "ready")


def test_a_reason_is_required_and_must_say_something(failed: SmallMachine, headframe: Headframe) -> None:
    assert headframe("requeue", "run", "5", "--yes").code == 2
    assert headframe("requeue", "run", "5", "--yes", "--reason", "  ").code == 2
    assert failed.item(5, 1).phase == "failed"


def test_without_a_terminal_yes_is_needed(failed: SmallMachine, config_file: Path) -> None:
    found = process(config_file, "requeue", "run", "5", "--reason", "x")
    assert found.returncode == 2
    assert "requeue 2 items? Give --yes" in found.stderr
    assert failed.item(5, 1).phase == "failed"


def test_selecting_nothing_is_a_usage_error(failed: SmallMachine, headframe: Headframe) -> None:
    found = headframe("abandon", *WHY)
    assert found.code == 2
    assert "nothing is selected" in found.err
    assert headframe("abandon", "5", *WHY).code == 2


def test_what_cannot_be_acted_on_says_where_it_is(failed: SmallMachine, headframe: Headframe) -> None:
    found = headframe("requeue", "file", "5/3", *WHY)
    assert found.code == 1
    assert "nothing to requeue" in found.err
    assert "arrived ready" in found.err
    assert "next: headframe why file" in found.err
    assert headframe("requeue", "--phase", "failed", "--type", "calibration", *WHY).code == 0


def test_a_name_that_two_runs_have_is_not_guessed(failed: SmallMachine, headframe: Headframe) -> None:
    failed.arrive(6, 1)
    failed.sql("update file set name = 'same.h5' where sequence = 1")
    found = headframe("hold", "file", "same.h5", *WHY)
    assert found.code == 2
    assert "5/1, 6/1" in found.err
    assert headframe("hold", "--run", "6", "--file", "same.h5", *WHY).code == 0
    assert (failed.item(5, 1).phase, failed.item(6, 1).phase) == ("failed", "held")


def test_a_run_is_closed_and_reopened(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1)
    found = headframe("run", "close", "5", *WHY)
    assert (found.code, found.lines) == (0, ["run 5 closed", "next: headframe why run 5"])
    again = headframe("run", "close", "5", *WHY)
    assert again.code == 1
    assert "closed already" in again.err
    assert headframe("run", "reopen", "5", *WHY).code == 0


def test_a_dry_run_of_a_run_operation_is_undone(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1)
    found = headframe("run", "close", "5", "--reason", "x", "--dry-run")
    assert (found.code, found.out) == (0, "dry run, nothing was changed: run 5 closed\n")
    assert headframe("run", "close", "5", *WHY).code == 0
    assert headframe("run", "close", "5", "--reason", "x", "--dry-run").code == 1


def test_files_are_expected_and_waived_by_number_range_and_name(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1)
    assert headframe("run", "expect", "5", "6", *WHY).lines[0] == "run 5 expects 6 files"
    assert headframe("run", "waive", "5", "2", "4-6", *WHY).lines[0] == ("run 5: 4 files declared missing: 2, 4-6")
    row = headframe("get", "runs", "5", "-o", "json").json[0]
    assert (row["missing"], row["waived"]) == (1, 4)
    assert headframe("run", "waive", "5", "1", *WHY).code == 1
    assert headframe("run", "waive", "5", "nix.h5", *WHY).code == 4


def test_a_held_run_is_reclassified(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1, 2, kind="mystery")
    found = headframe("run", "reclassify", "5", "calibration", *WHY)
    assert found.code == 0
    assert "run 5 is of type calibration; 3 items started again" in found.out
    assert headframe("run", "reclassify", "5", "unheard-of", *WHY).code == 1


def test_ranges_spread_and_names_stay() -> None:
    assert spread(["17"]) == [17]
    assert spread(["3-5"]) == [3, 4, 5]
    assert spread(["5-3"]) == ["5-3"]
    assert spread(["run-5.h5"]) == ["run-5.h5"]


def test_a_database_that_is_away_ends_6(headframe: Headframe, tmp_path: Path) -> None:
    away = tmp_path / "away.toml"
    away.write_text('[database]\nurl = "postgresql://nobody@127.0.0.1:9/x"\n')
    for arguments in (("get", "runs"), ("status",), ("requeue", "--phase", "failed", *WHY), ("doctor",)):
        found = headframe(*arguments, config=away)
        assert (arguments, found.code) == (arguments, 6)
        assert "PostgreSQL is not reachable" in found.err + found.out
        assert "Traceback" not in found.err


def test_a_wrong_configuration_names_every_mistake(headframe: Headframe, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('databse = 1\n[web]\nport = "x"\n')
    for arguments in (("config", "check"), ("get", "runs"), ("doctor",)):
        found = headframe(*arguments, config=wrong)
        assert (arguments, found.code) == (arguments, 1)
        assert "databse" in found.err + found.out
        assert "web.port" in found.err + found.out


def test_a_listing_is_previewed(headframe: Headframe, tmp_path: Path) -> None:
    listing = tmp_path / "listing.txt"
    listing.write_text("run0005_0001.h5\nwhat.h5\n")
    found = headframe("config", "check", "--against", str(listing), "-o", "json")
    assert found.code == 3
    assert [(row["name"], row.get("run"), row.get("sequence")) for row in found.json] == [
        ("run0005_0001.h5", 5, 1),
        ("what.h5", None, None),
    ]
    assert "1 name of 2 would not be taken" in found.err


def test_an_unexpected_error_is_one_line(headframe: Headframe, monkeypatch: pytest.MonkeyPatch) -> None:
    from headframe.statemachine import views

    def broken(*_: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(views, "status", broken)
    found = headframe("status")
    assert found.code == 1
    assert found.err == "headframe: internal error: RuntimeError: first line (headframe --debug shows where)\n"


def test_a_note_is_written_and_shown(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1)
    found = headframe("run", "note", "5", "hot channel <17>", "--file", "1")
    assert (found.code, found.lines) == (0, ["run 5: noted", "next: headframe describe run 5"])
    assert headframe("run", "note", "5", "never", "--dry-run").code == 0
    assert headframe("run", "note", "5", "  ").code == 1
    assert headframe("run", "note", "5", "x", "--file", "nix").code == 4
    shown = headframe("describe", "run", "5").out
    assert "hot channel <17>" in shown
    assert "never" not in shown


def test_quality_is_said_with_a_reason_and_filtered_by(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1)
    machine.arrive(6, 1)
    assert headframe("run", "quality", "5", "bad", "--yes").code == 2
    found = headframe("run", "quality", "5", "bad", *WHY)
    assert (found.code, found.lines[0]) == (0, "run 5 is bad")
    assert headframe("run", "quality", "5", "bad", *WHY).code == 1
    assert headframe("get", "runs", "--quality", "bad", "-o", "name").lines == ["5"]
    assert "bad, anna says: beam trip" in headframe("describe", "run", "5").out


def test_what_operators_did_is_listed(failed: SmallMachine, headframe: Headframe) -> None:
    headframe("requeue", "run", "5", *WHY)
    headframe("hold", "run", "5", *WHY)
    rows = headframe("get", "operations", "-o", "json").json
    assert [(row["action"], row["actor"], row["changed"]) for row in rows] == [
        ("hold", "anna", 3),
        ("requeue", "anna", 2),
    ]
    assert headframe("get", "operations", "--action", "requeue", "-o", "name").lines == [str(rows[1]["id"])]
    assert headframe("get", "operation", str(rows[1]["id"])).code == 0
    assert headframe("get", "operation", "999").code == 4


def test_a_large_action_is_cancelled_by_its_number(
    failed: SmallMachine, headframe: Headframe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MANY", 1)
    order = Order(trigger=Trigger.RESOLVE, selection=Selection(runs=(5,), scope="file"), actor="bert", reason="x")
    with failed.engine.begin() as connection:
        number = str(begin(connection, order, asked=True).id)
    assert headframe("operation", "cancel", number, "--dry-run").code == 0
    assert headframe("get", "operations", "--status", "waiting", "-o", "name").lines == [number]
    assert headframe("operation", "cancel", number, *WHY).lines[0] == f"operation {number} cancelled"
    assert headframe("operation", "cancel", number, *WHY).code == 1
    assert headframe("operation", "cancel", "999", *WHY).code == 4


def test_each_answer_ends_with_its_page_where_people_know_an_address(
    failed: SmallMachine, headframe: Headframe, config_file: Path
) -> None:
    with config_file.open("a") as file:
        file.write('[web]\nurl = "https://headframe.example/hf/"\n')
    number = failed.sql_value("select id from file where name = 'run5_0002.h5'")
    for arguments, page in (
        (("requeue", "--run", "5", "--file", "5/2", *WHY), f"/files/{number}"),
        (("requeue", "run", "5", *WHY), "/runs/5"),
        (("hold", "--phase", "ready", *WHY), "/operations"),
        (("run", "close", "5", *WHY), "/runs/5"),
        (("run", "note", "5", "x"), "/runs/5"),
        (("why", "run", "5"), "/runs/5"),
        (("why", "file", "5/2"), f"/files/{number}"),
        (("describe", "file", "5/2"), f"/files/{number}"),
        (("describe", "run", "5"), "/runs/5"),
        (("wait", "--for", "state=arrived", "run", "5"), "/runs/5"),
        (("wait", "--for", "state=arrived", "file", "5/2"), f"/files/{number}"),
        (("status",), "/status"),
        (("pause", "--lane", "bulk", *WHY), "/queues"),
    ):
        assert headframe(*arguments).lines[-1] == f"page: https://headframe.example/hf{page}", arguments
    listed = headframe("get", "files", "--run", "5")
    assert "page: https://headframe.example/hf/runs/5/files\n" in listed.err
    assert "page:" not in listed.out
    for arguments, page in (
        (("failures",), "/failures?hours=24"),
        (("dead", "list"), "/dead-letters"),
        (("catalog", "find", "--run", "5"), "/runs/5"),
    ):
        found = headframe(*arguments)
        assert found.err.splitlines()[-1] == f"page: https://headframe.example/hf{page}", (arguments, found)
        assert "page:" not in found.out
    for arguments in (
        ("get", "runs", "-o", "json"),
        ("describe", "run", "5", "-o", "json"),
        ("get", "runs", "-o", "tsv"),
    ):
        found = headframe(*arguments)
        assert "page:" not in found.out + found.err
