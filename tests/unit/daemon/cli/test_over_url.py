"""The same commands with a URL: the same output, the same exit codes; and how it ends where the service does not."""

import contextlib
import http.server
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest

from headframe.daemon.cli import main
from headframe.statemachine.roles import Role
from headframe.statemachine.store.operating import limits, turn
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from ....integration.access_help import LOOSE, make_token
from ....integration.servers import free_ports
from ....integration.small_machine import SmallMachine
from . import test_acting, test_alerts, test_campaigns, test_dead, test_failures, test_looking, test_pilots, test_usage
from .conftest import Ended, Headframe

busy, failed = test_looking.busy, test_acting.failed
letters, done, worked = test_dead.letters, test_campaigns.done, test_usage.worked
cluster, down = test_pilots.cluster, test_alerts.down
for module, names in (
    (
        test_looking,
        """runs_are_a_table_with_heads every_format_says_the_same what_is_paused_is_a_list_like_any_other
        an_empty_list_is_valid_json filters_narrow a_filter_that_a_list_does_not_have_is_a_usage_error
        what_is_not_there_ends_4 a_list_that_was_cut_says_so status_ends_1_while_somebody_must_act
        status_leads_to_the_dead_letters status_ends_0_where_all_is_well describe_shows_it_all
        why_is_one_screen_with_the_command wait_ends_when_it_is_so_and_124_when_time_is_up
        names_with_control_characters_are_escaped catalog_gives_paths_that_open""",
    ),
    (
        test_acting,
        """requeue_moves_to_a_lane reset_goes_back_to_a_state a_reason_is_required_and_must_say_something
        selecting_nothing_is_a_usage_error what_cannot_be_acted_on_says_where_it_is
        a_name_that_two_runs_have_is_not_guessed a_run_is_closed_and_reopened
        a_dry_run_of_a_run_operation_is_undone files_are_expected_and_waived_by_number_range_and_name
        a_held_run_is_reclassified a_note_is_written_and_shown quality_is_said_with_a_reason_and_filtered_by
        what_operators_did_is_listed a_large_action_is_cancelled_by_its_number""",
    ),
    (
        test_dead,
        """the_list_shows_code_queue_times_and_what_happened
        a_replay_is_asked_for_by_name_with_the_reason_and_only_what_can_be_is
        what_cannot_be_replayed_ends_1_and_what_is_not_there_ends_4
        what_is_forgotten_leaves_the_list_and_is_still_there""",
    ),
    (
        test_campaigns,
        "create_counts_makes_and_tells a_dry_run_counts_and_makes_nothing grow_pause_resume_and_close",
    ),
    (
        test_pilots,
        """the_list_shows_what_is_not_over_with_job_node_and_why one_is_shown_with_its_workers_what_they_did_and_its_log
        what_its_workers_did_is_found_by_pilot_and_by_job pilots_are_told_with_a_reason_that_stays
        what_is_over_or_not_there_says_so""",
    ),
    (
        test_alerts,
        """open_alerts_are_listed_and_acknowledged_until_a_time what_is_not_open_cannot_be_acknowledged
        status_says_who_knows""",
    ),
    (test_failures, "failures_that_say_the_same_are_one_line"),
    (
        test_usage,
        """what_was_used_is_a_line_a_step describe_says_what_a_run_and_a_campaign_used pilots_are_a_line_a_name
        what_cannot_be_asked_says_why nothing_used_is_said""",
    ),
):
    for name in names.split():
        globals()[f"test_{name}"] = getattr(module, f"test_{name}")


class Service(NamedTuple):
    """A service over the machine's database, and a file with a token of each role."""

    url: str
    operator: Path
    viewer: Path


@pytest.fixture
def service(machine: SmallMachine, config_file: Path, tmp_path: Path) -> Iterator[Service]:
    settings = Settings(instance="headframe", reading="closed", access=LOOSE, timezone="Europe/Rome", book=machine.book)
    for site in ("source", "work"):
        machine.sql(
            "insert into site (name, path) values (:name, :path) on conflict (name) do update set path = excluded.path",
            name=site,
            path=str(tmp_path / site),
        )
    listener, stop = Listener(create_app(machine.engine, settings), "127.0.0.1", 0), threading.Event()
    server = threading.Thread(target=listener.run, args=(stop,))
    server.start()
    files = {name: tmp_path / f"{name}.token" for name in ("anna", "vera")}
    for (name, file), role in zip(files.items(), (Role.OPERATOR, Role.VIEWER), strict=True):
        file.write_text(make_token(machine.engine, name, role)[1] + "\n")
    yield Service(f"http://127.0.0.1:{listener.port}", files["anna"], files["vera"])
    stop.set()
    server.join()


def run(*arguments: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return Ended(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def headframe(service: Service, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Headframe:
    """Run a command with a URL, in a folder without a configuration, as an operator. Links to pages are left out."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.delenv("HEADFRAME_CONFIG", raising=False)

    def ask(*arguments: str, **_: object) -> Ended:
        found = run("--url", service.url, "--token-file", str(service.operator), *arguments)
        out, err = (
            "".join(line for line in said.splitlines(True) if not line.startswith("page: ")) for said in found[1:]
        )
        return Ended(found.code, out, err)

    return ask


def test_each_answer_ends_with_its_page_at_that_address(
    service: Service, machine: SmallMachine, headframe: Headframe
) -> None:
    machine.arrive(5, 1)
    found = run("--url", service.url + "/", "--token-file", str(service.operator), "why", "run", "5")
    assert found.lines[-1] == f"page: {service.url}/runs/5"


def test_address_and_token_file_come_from_the_environment_too_unless_a_configuration_is_named(
    service: Service, headframe: Headframe, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADFRAME_URL", service.url)
    monkeypatch.setenv("HEADFRAME_TOKEN_FILE", str(service.viewer))
    assert run("status").lines[0].startswith("headframe headframe")
    monkeypatch.setenv("HEADFRAME_URL", "http://127.0.0.1:9")
    assert run("--config", str(config_file), "get", "runs").code == 0


def test_who_may_not_ends_5_and_is_told_what_it_takes(
    service: Service, machine: SmallMachine, headframe: Headframe, tmp_path: Path
) -> None:
    machine.arrive(5, 1)
    close = ("run", "close", "5", "--reason", "x", "--yes")
    refused = run("--url", service.url, "--token-file", str(service.viewer), *close)
    assert (refused.code, "operator" in refused.err) == (5, True)
    (tmp_path / "bad").write_text("hf_nonsense")
    assert run("--url", service.url, "--token-file", str(tmp_path / "bad"), *close).code == 5
    assert run("--url", service.url, "get", "runs").code == 5
    assert machine.sql_value("select closed_at from run where number = 5") is None


def test_what_needs_a_host_says_so_in_one_line(headframe: Headframe) -> None:
    for arguments in (
        ("verify",),
        ("doctor",),
        ("db", "upgrade"),
        ("conductor",),
        ("user", "list"),
        ("config", "check"),
    ):
        found = headframe(*arguments)
        assert (arguments, found.code) == (arguments, 2)
        assert "a URL is not enough" in found.err


@pytest.mark.parametrize("url", ["example.org", "ftp://x", "http://me:secret@x"])
def test_a_wrong_address_ends_1_and_shows_no_secret(url: str) -> None:
    found = run("--url", url, "get", "runs")
    assert (found.code, len(found.err.splitlines())) == (1, 1)
    assert "is no address of a headframe" in found.err
    assert "secret" not in found.err


def test_a_token_file_that_is_not_there_ends_1(service: Service, tmp_path: Path) -> None:
    found = run("--url", service.url, "--token-file", str(tmp_path / "none"), "get", "runs")
    assert (found.code, "the token cannot be read" in found.err) == (1, True)


def test_nobody_there_ends_6() -> None:
    (port,) = free_ports(1)
    found = run("--url", f"http://127.0.0.1:{port}", "get", "runs")
    assert (found.code, found.out) == (6, "")
    assert "does not answer" in found.err


class Odd(http.server.BaseHTTPRequestHandler):
    """Answers a page, or after `wait` seconds."""

    wait = 0.0
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        time.sleep(self.wait)
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>It works!</h1>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def odd() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_instead_of_an_answer_ends_6(odd: str) -> None:
    found = run("--url", odd, "status")
    assert (found.code, "is no headframe: 200 text/html" in found.err) == (6, True)


def test_a_service_that_takes_too_long_ends_6(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, "wait", 1.0)
    monkeypatch.setattr(Odd, "asked", [])
    monkeypatch.setattr("headframe.daemon.cli.session.PATIENCE_S", 0.1)
    found = run("--url", odd, "status")
    assert (found.code, "timed out" in found.err) == (6, True)
    assert len(Odd.asked) == 2  # and not five times, each of which would take as long


def test_logs_come_from_the_service_and_go_on_as_they_grow(
    busy: SmallMachine, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    code = "from headframe.daemon.cli import main; main()"
    command = [sys.executable, "-c", code, "--url", service.url, "--token-file", str(service.viewer), "logs"]
    place = tmp_path_factory.mktemp("elsewhere")

    def logs(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, cwd=place)

    found = logs("run5_0001.h5", "--step", "salt")
    assert (found.returncode, found.stdout) == (0, "step salt\nall is well\n"), found.stderr
    assert logs("run5_0001.h5", "--tail", "1").stdout == "all is well\n"
    assert logs("run5_0003.h5").returncode == 4
    asked = ("get", "attempts", "run5_0001.h5", "--step", "salt", "-o", "json")
    (row,) = run("--url", service.url, "--token-file", str(service.viewer), *asked).json
    following = [*command, "run5_0001.h5", "--step", "salt", "--tail", "1", "-f"]
    with subprocess.Popen(following, stdout=subprocess.PIPE, cwd=place) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"all is well\n"
        with (busy.root / row["log_site"] / row["log"]).open("a") as log:
            log.write("and more\n")
        assert process.stdout.readline() == b"and more\n"
        process.terminate()


def test_what_a_daemon_carries_out_is_waited_for(
    failed: SmallMachine, headframe: Headframe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MANY", 1)
    over = threading.Event()

    def carry_out() -> None:
        while not over.wait(0.05):
            turn(failed.engine, "sweeper")

    daemon = threading.Thread(target=carry_out)
    daemon.start()
    try:
        found = headframe("requeue", "--run", "5", "--reason", "x", "--yes")
    finally:
        over.set()
        daemon.join()
    assert (found.code, found.lines[0]) == (0, "requeued 2 items in the bulk lane: run5_0001.h5, run5_0002.h5")
    assert failed.item(5, 1).phase == "ready"


def test_a_worker_is_told_to_leave(machine: SmallMachine, headframe: Headframe) -> None:
    machine.sql("update process set detail = detail || jsonb_build_object('name', 'w1') where role = 'worker'")
    said = ("drain", "--worker", "w1", "--reason", "new kernel", "--yes")
    assert "nothing was changed" in headframe(*said[:-1], "--dry-run").out
    assert machine.sql_value("select count(*) from pause") == 0
    found = headframe(*said)
    assert (found.code, found.err) == (0, "")
    assert machine.sql_value("select what || ' ' || actor || ' ' || reason from pause") == "drain anna new kernel"
    assert headframe("drain", "--worker", "nobody", "--reason", "x", "--yes").code == 4


def test_watching_goes_on_and_shows_what_changes(
    machine: SmallMachine, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine.arrive(5, 1)
    code = "from headframe.daemon.cli import main; main()"
    asked = ("get", "files", "--run", "5", "-w", "--interval", "0.2s", "-o", "json")
    command = [sys.executable, "-c", code, "--url", service.url, "--token-file", str(service.viewer), *asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path_factory.mktemp("elsewhere")) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        machine.say(5, 1, "start")
        then = json.loads(process.stdout.readline())
        process.terminate()
    assert (first["event"], first["object"]["phase"]) == ("added", "ready")
    assert (then["event"], then["object"]["phase"]) == ("changed", "executing")
