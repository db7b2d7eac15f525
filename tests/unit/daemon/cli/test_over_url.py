"""The same commands with a URL instead of a configuration: the same output, the same exit codes; and what goes wrong."""

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from headframe.daemon.cli import main
from headframe.statemachine.roles import Role
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from ....integration.access_help import LOOSE, make_token
from ....integration.small_machine import SmallMachine
from . import test_acting, test_campaigns, test_dead, test_failures, test_looking
from .conftest import Ended, Headframe

busy, failed = test_looking.busy, test_acting.failed
letters, done = test_dead.letters, test_campaigns.done
for module, names in (
    (
        test_looking,
        """runs_are_a_table_with_heads every_format_says_the_same what_is_paused_is_a_list_like_any_other
        an_empty_list_is_valid_json filters_narrow a_filter_that_a_list_does_not_have_is_a_usage_error
        what_is_not_there_ends_4 a_list_that_was_cut_says_so status_ends_1_while_somebody_must_act
        status_leads_to_the_dead_letters status_ends_0_where_all_is_well describe_shows_it_all
        why_is_one_screen_with_the_command catalog_gives_paths_that_open""",
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
    (test_failures, "failures_that_say_the_same_are_one_line"),
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
