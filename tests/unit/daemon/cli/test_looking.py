"""Looking: get, describe, status, why, catalog, logs, wait, verify; formats and exit codes."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.naming import log_path, work_folder
from headframe.statemachine.records import Trouble
from headframe.statemachine.store.dead import bury

from ....integration.small_machine import SmallMachine, pipeline
from .conftest import Headframe, process


@pytest.fixture
def busy(machine: SmallMachine) -> SmallMachine:
    """Run 5: one file done, one failed, one held, one to come; run 6 is whole."""
    machine.arrive(5, 1, 2, 3)
    machine.inform(5, expected=4, closed=True)
    machine.through(5, 1)
    machine.say(5, 2, "fail", reason_code="bad-header", reason="no magic number", permanent=True)
    machine.act(Trigger.HOLD, files=("run5_0003.h5",))
    machine.arrive(6, 1, kind="calibration")
    machine.inform(6, expected=1, closed=True, kind="calibration")
    machine.through(6, 1)
    machine.do(6, None)
    return machine


def test_runs_are_a_table_with_heads(busy: SmallMachine, headframe: Headframe) -> None:
    found = headframe("get", "runs")
    assert found.code == 0
    assert found.lines[0].split()[:4] == ["RUN", "TYPE", "STATE", "PHASE"]
    assert found.lines[1].split()[:9] == ["6", "calibration", "summarized", "done", "1", "1", "0", "1", "0"]
    assert found.lines[2].split()[:10] == ["5", "science", "arrived", "waiting", "4", "3", "1", "1", "1", "1"]
    assert len(headframe("get", "runs", "--no-headers").lines) == 2


def test_every_format_says_the_same(busy: SmallMachine, headframe: Headframe) -> None:
    rows = headframe("get", "files", "--run", "5", "-o", "json").json
    assert [row["name"] for row in rows] == ["run5_0001.h5", "run5_0002.h5", "run5_0003.h5"]
    assert rows == yaml.safe_load(headframe("get", "files", "--run", "5", "-o", "yaml").out)
    assert headframe("get", "files", "--run", "5", "-o", "name").lines == [row["name"] for row in rows]
    tsv = [line.split("\t") for line in headframe("get", "files", "--run", "5", "-o", "tsv").lines]
    assert tsv[0][:3] == ["name", "run", "seq"]
    assert [line[3] for line in tsv[1:]] == [str(row["size"]) for row in rows]
    assert "TEXT" in headframe("get", "files", "--run", "5", "-o", "wide").lines[0]


def test_what_is_paused_is_a_list_like_any_other(machine: SmallMachine, headframe: Headframe) -> None:
    assert headframe("get", "pauses", "-o", "json").json == []
    machine.sql("insert into site (name) values ('work') on conflict do nothing")
    machine.arrive(5, 1)
    assert headframe("pause", "--site", "work", "--reason", "full disk", "--yes").code == 0
    assert headframe("pause", "--step", "salt", "--reason", "new key", "--yes").code == 0
    found = headframe("get", "pauses")
    assert found.lines[0].split() == ["KIND", "NAME", "SINCE", "BY", "REASON"]
    assert [line.split()[0] for line in found.lines[1:]] == ["step", "site"]
    assert found.lines[1].split()[1] == "salt" and found.lines[1].endswith("new key")
    (row,) = headframe("get", "pause", "work", "-o", "json").json
    assert (row["what"], row["name"], row["actor"], row["reason"]) == ("site", "work", "anna", "full disk")
    assert headframe("get", "pauses", "-o", "name").lines == ["salt", "work"]
    assert headframe("get", "pauses", "nix").code == 4
    assert headframe("get", "pauses", "--run", "5").code == 2


def test_an_empty_list_is_valid_json(busy: SmallMachine, headframe: Headframe) -> None:
    assert headframe("get", "files", "--phase", "executing", "-o", "json").json == []
    found = headframe("get", "files", "--phase", "executing")
    assert (found.code, found.out, found.err) == (0, "", "no files match\n")


def test_filters_narrow(busy: SmallMachine, headframe: Headframe) -> None:
    assert headframe("get", "files", "--phase", "failed", "-o", "name").lines == ["run5_0002.h5"]
    assert headframe("get", "runs", "--type", "calibration", "-o", "name").lines == ["6"]
    assert headframe("get", "run", "5", "-o", "name").lines == ["5"]
    assert headframe("get", "file", "5/3", "-o", "name").lines == ["run5_0003.h5"]
    assert headframe("get", "attempts", "run5_0002.h5", "-o", "json").json[0]["reason_code"] == "bad-header"
    assert headframe("get", "campaigns", "-o", "json").json[0]["total"] == 4
    assert headframe("get", "sites", "-o", "name").lines == ["source", "work"]


def test_a_filter_that_a_list_does_not_have_is_a_usage_error(headframe: Headframe) -> None:
    found = headframe("get", "sites", "--run", "5")
    assert found.code == 2
    assert "get sites has no filter --run" in found.err


def test_what_is_not_there_ends_4(busy: SmallMachine, headframe: Headframe) -> None:
    for arguments in (
        ("get", "runs", "404"),
        ("get", "files", "nix"),
        ("get", "sites", "nix"),
        ("describe", "run", "404"),
        ("describe", "file", "nix"),
        ("describe", "campaign", "nix"),
        ("why", "run", "404"),
        ("why", "file", "nix"),
        ("logs", "nix"),
        ("catalog", "find", "--run", "404"),
        ("wait", "--for", "done", "run", "404"),
        ("hold", "run", "404", "--reason", "x", "--yes"),
        ("hold", "file", "nix", "--reason", "x", "--yes"),
        ("run", "close", "404", "--reason", "x", "--yes"),
    ):
        found = headframe(*arguments)
        assert (arguments, found.code) == (arguments, 4)
        assert found.err.startswith("headframe: ")
        assert "Traceback" not in found.err


def test_a_list_that_was_cut_says_so(busy: SmallMachine, headframe: Headframe) -> None:
    found = headframe("get", "files", "--limit", "2")
    assert len(found.lines) == 3
    assert "--limit 0 gives all" in found.err


def test_a_reader_who_leaves_is_no_error(busy: SmallMachine, config_file: Path) -> None:
    busy.arrive(7, *range(1, 3000))
    found = process(config_file, "get", "files", "--limit", "0", "-o", "json", shell="head -1")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == "[\n"


def test_a_pipe_gets_no_colour(busy: SmallMachine, config_file: Path) -> None:
    for arguments in (("status",), ("get", "files"), ("describe", "run", "5"), ("why", "run", "5")):
        assert "\x1b" not in process(config_file, *arguments).stdout


def test_status_ends_1_while_somebody_must_act(busy: SmallMachine, headframe: Headframe) -> None:
    found = headframe("status")
    assert found.code == 1
    assert "! 1 failed: somebody must look" in found.out
    assert found.lines[-1].startswith("next: headframe get files --phase failed")
    assert headframe("status", "-o", "json").json["failed"] == 1


def test_status_asks_nobody_about_failures_that_are_decided_on(busy: SmallMachine, headframe: Headframe) -> None:
    busy.act(Trigger.ABANDON, phase="failed")
    assert "failed: somebody must look" not in headframe("status").out


def test_status_asks_nobody_about_failed_files_that_their_run_goes_on_without(
    database_url: str, tmp_path: Path, headframe: Headframe
) -> None:
    machine = SmallMachine(database_url, tmp_path, pipeline(accepts_failed=True))
    machine.alive()
    machine.arrive(5, 1)
    machine.say(5, 1, "fail", reason_code="bad-header", reason="no magic number", permanent=True)
    machine.engine.dispose()
    found = headframe("status")
    assert (found.code, "all is well" in found.out, "left out" in found.out) == (0, True, True)
    numbers = headframe("status", "-o", "json").json
    assert (numbers["failed"], numbers["left_out"]) == (1, 1)


def test_status_leads_to_the_dead_letters(machine: SmallMachine, headframe: Headframe) -> None:
    with machine.engine.begin() as conn:
        bury(conn, [Trouble(code="no-match", sentence="x.dat: no pattern matches", subject="x.dat", run=7)])
    found = headframe("status")
    assert "! 1 dead letter: input that could not be used" in found.out
    assert found.lines[-1] == "next: headframe get dead-letters"
    assert "x.dat: no pattern matches" in headframe("get", "dead-letters", "--run", "7").out
    assert headframe("get", "dead-letters", "--reason-code", "no-match", "-o", "name").lines == ["x.dat"]
    assert headframe("get", "dead-letters", "--run", "8").err == "no dead-letters match\n"


def test_status_ends_0_where_all_is_well(machine: SmallMachine, headframe: Headframe) -> None:
    found = headframe("status")
    assert (found.code, "all is well" in found.out) == (0, True)


def test_describe_shows_it_all(busy: SmallMachine, headframe: Headframe) -> None:
    run = headframe("describe", "run", "5").out
    for text in ("bad-header", "Missing sequence numbers", "History", "expected", "next: headframe why run 5"):
        assert text in run
    file = headframe("describe", "file", "5/1").out
    for text in ("Replicas", "Products", "Attempts", "History", "succeeded", "CET"):
        assert text in file
    assert headframe("describe", "file", "5/1", "-o", "json").json["items"][0]["phase"] == "done"
    assert headframe("describe", "site", "work").code == 0


def test_why_is_one_screen_with_the_command(busy: SmallMachine, headframe: Headframe) -> None:
    found = headframe("why", "file", "5/2")
    assert found.code == 0
    assert found.lines[0].startswith("file run5_0002.h5: bad-header")
    assert "who must act  operator" in found.out
    assert found.lines[-1] == 'next: headframe requeue --run 5 --file run5_0002.h5 --reason "..."'
    assert headframe("why", "run", "5", "-o", "json").json["code"] == "files-failed"


def test_catalog_gives_paths_that_open(busy: SmallMachine, headframe: Headframe) -> None:
    paths = headframe(
        "catalog", "find", "--run", "5", "--event", "150", "--type", "reconstruct", "--site", "work", "-o", "name"
    ).lines
    assert len(paths) == 1
    assert Path(paths[0]).read_text() == "reconstruct 5 1"
    entry = headframe("catalog", "find", "--run", "5", "--type", "raw", "-o", "json").json[0]
    assert Path(entry["path"]).exists()
    assert headframe("catalog", "find", "--run", "5", "--event", "99999").code == 4


def test_logs_print_the_attempts_log(busy: SmallMachine, headframe: Headframe) -> None:
    code = "from headframe.daemon.cli import main; main()"
    config = str(busy.root / "headframe.toml")

    def logs(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", code, "--config", config, "logs", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    found = logs("run5_0001.h5", "--step", "salt")
    assert (found.returncode, found.stdout) == (0, "step salt\nall is well\n")
    assert "attempt 1 at salt on node-7: succeeded" in found.stderr
    assert logs("run5_0001.h5", "--tail", "1").stdout == "all is well\n"
    assert logs("run", "6").stdout.startswith("step summary")
    assert logs("run5_0001.h5", "--attempt", "99").returncode == 4
    assert logs("run5_0003.h5").returncode == 4


def test_the_log_of_a_worker_that_died_before_its_first_report_is_found_by_its_name(
    machine: SmallMachine, headframe: Headframe
) -> None:
    machine.sql("insert into site (name, path) values ('work', :root)", root=str(machine.root / "work"))
    machine.arrive(5, 1)
    machine.sql("""update pipeline set definition = jsonb_set(definition, '{steps,0,site}', '"work"')""")
    folder = work_folder(machine.sql_value("select name from campaign"), 5, machine.item(5, 1).id, "salt")
    path = machine.root / "work" / log_path(folder, 1, "dead")
    path.parent.mkdir(parents=True)
    path.write_text("all went dark\n")
    machine.submit(5, 1)
    ask = [sys.executable, "-m", "headframe", "--config", str(machine.root / "headframe.toml"), "logs", "5/1"]
    for outcome in ("not heard of yet", "interrupted (delivery-limit)"):
        found = subprocess.run(ask, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout) == (0, "all went dark\n"), found.stderr
        assert "attempt 1 at salt" in found.stderr and f": {outcome}; " in found.stderr
        if machine.item(5, 1).phase == "submitted":
            machine.say(5, 1, "interrupt", reason_code="delivery-limit", reason="nobody answers")
    path.unlink()
    assert headframe("logs", "5/1").err.count("no worker has said where its log lies") == 1


def test_wait_ends_when_it_is_so_and_124_when_time_is_up(busy: SmallMachine, headframe: Headframe) -> None:
    assert headframe("wait", "--for", "state=cataloged", "run", "6", "--timeout", "5s").code == 0
    assert headframe("wait", "--for", "state=placed", "file", "5/1").code == 0
    assert headframe("wait", "--for", "done", "file", "5/1").code == 0
    found = headframe("wait", "--for", "state=cataloged", "run", "5", "6", "--timeout", "100ms")
    assert found.code == 124
    assert "files-failed" in found.err
    assert headframe("wait", "--for", "state=nowhere", "run", "6").code == 2
    assert headframe("wait", "--for", "nonsense", "run", "6").code == 2


def test_watch_as_json_is_a_line_an_event(busy: SmallMachine, config_file: Path) -> None:
    import json

    code = "from headframe.daemon.cli import main; main()"
    arguments = ["get", "runs", "-w", "-o", "json", "--interval", "100ms"]
    command = [sys.executable, "-c", code, "--config", str(config_file), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        first = [json.loads(watching.stdout.readline()) for _ in range(2)]
        busy.arrive(8, 1)
        then = json.loads(watching.stdout.readline())
        watching.terminate()
    assert [event["event"] for event in (*first, then)] == ["added"] * 3
    assert then["object"]["number"] == 8


def test_names_with_control_characters_are_escaped(machine: SmallMachine, headframe: Headframe) -> None:
    machine.arrive(5, 1)
    machine.sql("update file set name = E'a\\nb\\x1b[31m'")
    for output in ("table", "wide", "tsv", "name"):
        found = headframe("get", "files", "-o", output).out
        assert "a\\nb\\u001b[31m" in found
        assert "\x1b" not in found


def test_verify_ends_1_with_what_is_broken(busy: SmallMachine, headframe: Headframe) -> None:
    good = headframe("verify", "--deep")
    assert (good.code, good.err) == (0, "")
    assert all(line.startswith("ok") for line in good.lines)
    busy.sql("update run set waived = 7 where number = 5")
    bad = headframe("verify")
    assert bad.code == 1
    assert "waived-differs  run 5: 7 files are said to be declared missing, 0 are" in bad.lines
    assert '"code":"waived-differs"' in headframe("verify", "-o", "json").out


def test_doctor_says_a_line_a_thing(machine: SmallMachine, headframe: Headframe) -> None:
    found = headframe("doctor")
    for what in ("python", "packages", "configuration", "database", "schema", "broker", "site work", "inbox raw"):
        assert any(what in line for line in found.lines), what
    assert all(line[:4] in ("ok  ", "warn", "FAIL") for line in found.lines)


def test_doctor_finds_a_site_that_is_not_there(machine: SmallMachine, headframe: Headframe) -> None:
    machine.root.joinpath("work").rename(machine.root / "moved")
    found = headframe("doctor")
    assert found.code == 1
    assert any(line.startswith("FAIL  site work") and "mkdir -p" in line for line in found.lines)


def test_a_schema_that_is_missing_is_explained(headframe: Headframe, empty_database_url: str, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    text = (tmp_path / "headframe.toml").read_text()
    url = next(line for line in text.splitlines() if line.startswith("url"))
    other.write_text(text.replace(url, f'url = "{empty_database_url}"'))
    found = headframe("get", "runs", config=other)
    assert found.code == 6
    assert "headframe db upgrade" in found.err
    assert headframe("db", "upgrade", config=other).code == 0
    assert headframe("db", "upgrade", config=other).code == 0
    assert headframe("get", "runs", config=other).code == 0


def test_ctrl_c_ends_quietly(busy: SmallMachine, config_file: Path) -> None:
    import signal

    code = "from headframe.daemon.cli import main; main()"
    command = [sys.executable, "-c", code, "--config", str(config_file), "get", "runs", "-w", "--interval", "100ms"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate()
    assert watching.returncode == 130
    assert "Traceback" not in err


def test_sites_show_what_this_host_sees_of_them(busy: SmallMachine, headframe: Headframe) -> None:
    rows = headframe("get", "sites", "-o", "json").json
    assert [(row["name"], row["kind"], row["status"]) for row in rows] == [
        ("source", "source", "up"),
        ("work", "processing", "up"),
    ]
    assert rows[0]["copies"] == {"raw": 4}
    assert rows[0]["space"]["free"] > 0
    busy.root.joinpath("work").rename(busy.root / "moved")
    assert headframe("get", "sites", "work", "-o", "json").json[0]["status"] == "not here"
