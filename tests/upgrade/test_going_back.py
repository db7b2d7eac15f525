"""Going back to the last release: what its own commands say and do on the schema of this version, or without it."""

import re
from pathlib import Path

import pytest

from headframe.statemachine.compatibility import known
from headframe.statemachine.database import connect, revisions, upgrade

from ..integration.cli_help import headframe
from ..integration.servers import wait_until
from .conftest import Make
from .promises import Schema, look
from .release import ROOT, Release
from .system import STATES, System, step

FILES = 6
BEFORE = "0011_pilots"
DAEMONS = ("conductor", "sweeper", "watch", "worker")
NOT_KNOWN = (
    "headframe: internal error: CommandError: Can't locate revision identified by '{}' (headframe --debug shows where)"
)
MENDED = 'retries = 0\n[command.mended]\nargv = ["sh", "-c", "test -e {mark}"]\n'
DONE = "select count(*) from item where scope = 'file' and phase = 'done'"


def schema(system: System) -> Schema:
    with system.engine.connect() as connection:
        connection.exec_driver_sql(f'set search_path = "{system.instance}"')
        return look(connection)


def promised(line: str) -> bool:
    """Say whether the page on upgrades has a line, word for word but for the revision."""
    page = (ROOT / "docs/upgrade.md").read_text()
    return re.sub(r"\d{4}_\w+", "…", line) in re.sub(r"\d{4}_\w+", "…", page)


@pytest.mark.long
def test_those_of_its_commands_that_do_not_know_the_schema_say_so_and_change_nothing(
    systems: Make, old: Release, new: Release
) -> None:
    with systems() as system:
        system.command(new, "db", "upgrade")
        before, present = schema(system), known()[-1]
        for words in (("up",), ("db", "upgrade")):
            refused = system.run(old, *words)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr.splitlines()[-1] == NOT_KNOWN.format(present)
        examined = system.run(old, "doctor")
        assert examined.returncode == 1
        (line,) = [line for line in examined.stdout.splitlines() if " schema: " in line]
        assert line == f"FAIL  schema: is at revision {present}, this code wants {BEFORE}; headframe db upgrade"
        assert schema(system) == before
        system.command(new, "db", "check")
    assert promised(NOT_KNOWN.format(present)) and promised(line)


def test_its_operators_look_and_act_on_what_this_version_left_undone(systems: Make, old: Release, new: Release) -> None:
    with systems() as system:
        mark = system.folder / "mended"
        first, second, third = STATES
        steps = step(first) + step(second) + step(third, use="command:mended")
        system.configure(steps + MENDED.format(mark=mark))
        system.command(new, "db", "upgrade")
        members = [system.start(role, new) for role in DAEMONS]
        system.write(1, FILES)
        system.close_run(1)
        failed = f"select count(*) = {FILES} from item where scope = 'file' and phase = 'failed'"
        system.wait(failed, 60, "every file has failed")
        for member in members:
            system.stop(member)
        members = [system.start(role, old) for role in DAEMONS]
        mark.touch()
        assert "exit-1" in system.command(old, "why", "run", "1")
        assert system.run(old, "status").returncode == 1, "somebody has to act"
        assert "science" in system.command(old, "get", "runs")
        said = system.command(old, "requeue", "--run", "1", "--reason", "mended", "--yes")
        assert f"{FILES} " in said
        system.rest(60)
        for release in (old, new):
            system.command(release, "verify")
        assert system.rows("select distinct version from process where role = 'conductor' order by 1") == [
            (old.version,),
            (new.version,),
        ]


@pytest.mark.long
def test_a_backup_from_before_the_upgrade_brings_the_whole_release_back(
    systems: Make, old: Release, new: Release
) -> None:
    """What the page says to do first, and what 0.1.0's `up` needs, for it never starts on a later schema."""
    with systems() as system:
        backups = system.folder / "backups"
        alone(system, old, 1)
        system.command(new, "backup", "--to", str(backups))
        system.command(new, "db", "upgrade")
        alone(system, new, 2)
        silent = "select bool_and(seen_at < clock_timestamp() - interval '20 seconds') from process"
        system.wait(silent, 60, "nobody was heard of lately")
        said = system.command(new, "restore", str(backups), "--replace", "--yes")
        assert "restored the database as of" in said
        alone(system, old, 3)
        assert system.rows("select version_num from alembic_version") == [(BEFORE,)]
        system.command(new, "verify")


def test_a_schema_is_backed_up_and_restored_before_it_is_brought_up(empty_database_url: str, tmp_path: Path) -> None:
    """As the page on upgrades has it: the backup is the new version's, the schema still that of before."""
    config, backups = tmp_path / "headframe.toml", tmp_path / "backups"
    config.write_text(f'instance = "mine"\n[database]\nurl = "{empty_database_url}"\n')
    engine = connect(empty_database_url, "mine")
    upgrade(engine, "mine", BEFORE)
    for words in (("backup", "--to", str(backups)), ("restore", str(backups))):
        done = headframe(config, *words)
        assert done.code == 0, done.err
    assert revisions(engine)[0] == BEFORE
    engine.dispose()


def alone(system: System, release: Release, run: int) -> None:
    """Have a release's `up` take a run in, and all that is there meanwhile."""
    up = system.start("up", release)
    system.write(run, FILES)
    system.close_run(run)
    wait_until(lambda: up.process.running() and bool(system.rows("select to_regclass('item')")[0][0]), 60, "a schema")
    system.rest(120)
    (up,) = system.of("up")
    system.stop(up)
