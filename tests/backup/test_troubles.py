"""Backups and restores at three in the morning: full disks, kills, two at once, clocks, sessions, manifests."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from headframe.daemon.backup import programs, restore
from headframe.daemon.backup.alone import alone, kept
from headframe.statemachine.database import connect
from headframe.statemachine.verify import verify

from ..integration.cli_help import headframe
from ..integration.servers import PostgresServer, wait_until
from ..integration.small_disk import again_where_one_may_mount, may_mount, small_disk
from ..integration.small_machine import SmallMachine
from .place import Place, manifests, names

BLOCKED = """
select pid from pg_stat_activity where application_name = 'headframe/restore' and wait_event_type = 'Lock'
"""
SCHEMAS = "select nspname from pg_namespace where nspname like 'headframe%' order by 1"


@pytest.fixture
def engine(here: Place) -> Iterator[Engine]:
    made = connect(here.url, "headframe")
    yield made
    made.dispose()


@contextmanager
def session(place: Place, name: str) -> Iterator[Connection]:
    """Give a session of this name in the database, as a process of headframe has it."""
    made = connect(place.url, "headframe")
    with made.connect() as connection:
        connection.execute(text(f"set application_name = '{name}'"))
        connection.commit()
        yield connection
    made.dispose()


@contextmanager
def no_triggers(place: Place) -> Iterator[None]:
    """Let nobody make a trigger: pg_restore stands still where the rows are in and not all else."""
    made = connect(place.url, "headframe")
    with made.connect() as connection:
        connection.execute(text("lock table pg_catalog.pg_trigger in share row exclusive mode"))
        yield
    made.dispose()


def restoring(place: Place, *more: str) -> subprocess.Popen[str]:
    """Begin to restore, and wait until it stands still."""
    words = ["--config", str(place.config), "restore", str(place.backups), "--yes", "--jobs", "2", *more]
    command = [sys.executable, "-m", "headframe", *words]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: bool(place.rows(BLOCKED)) or child.poll() is not None, 120, "pg_restore stands still")
    assert child.poll() is None, child.communicate()
    return child


def test_a_web_of_this_instance_is_known_among_those_of_others(here: Place) -> None:
    here.backup()
    here.rows("create schema another")
    here.rows("create table another.alembic_version (version_num text)")
    with session(here, "headframe/web"):
        refused = here.restore(here.backups, "--replace", "--yes")
        assert (refused.code, "headframe/web (process" in refused.err) == (1, True)
    with session(here, "another/web"):
        done = here.restore(here.backups, "--replace", "--yes")
        assert (done.code, done.err) == (0, "")


def test_nobody_restores_while_a_backup_is_taken(here: Place, engine: Engine) -> None:
    here.backup()
    with engine.connect() as connection, kept(connection, "headframe"):
        number = connection.execute(text("select pg_backend_pid()")).scalar_one()
        refused = here.restore(here.backups, "--replace", "--yes")
        assert refused.code == 1
        assert f"a backup of headframe is under way (process {number} of PostgreSQL)" in refused.err
        assert here.backup().code == 0
    assert here.restore(here.backups, "--replace", "--yes").code == 0


def test_while_one_restores_nobody_else_does_nor_takes_a_backup(here: Place, engine: Engine) -> None:
    here.backup()
    before = names(here)
    with alone(engine, "headframe"):
        for refused in (here.restore(here.backups, "--replace", "--yes"), here.backup()):
            assert refused.code == 1
            assert "a restore of headframe is under way (process" in refused.err
        assert headframe(here.config, "db", "recovered", "--yes").code == 1
    assert names(here) == before


def test_who_is_told_to_leave_undoes_what_was_begun(here: Place) -> None:
    here.backup()
    before = here.rows("select id, version from item order by id")
    with no_triggers(here):
        child = restoring(here, "--replace")
        child.send_signal(signal.SIGTERM)
        wait_until(lambda: not here.rows(BLOCKED), 60, "pg_restore has ended")
    said, _ = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert here.rows("select id, version from item order by id") == before
    assert [row.nspname for row in here.rows(SCHEMAS)] == ["headframe"]


def test_a_pg_restore_that_is_still_at_it_is_named(here: Place) -> None:
    here.backup()
    with session(here, "headframe/restore"):
        refused = here.restore(here.backups, "--replace", "--yes")
    assert refused.code == 1
    assert "headframe/restore (process" in refused.err


def test_a_killed_restore_takes_its_pg_restore_along_and_is_said_again(here: Place) -> None:
    here.backup()
    with no_triggers(here):
        child = restoring(here, "--replace")
        child.kill()
        child.communicate()
        wait_until(lambda: not here.rows(SESSIONS), 120, "pg_restore has ended")
    checked, upgraded = headframe(here.config, "db", "check"), headframe(here.config, "db", "upgrade")
    assert 'drop schema "headframe_before_' in checked.err
    for said in (checked, upgraded):
        assert (said.code, "the schema is not whole" in said.err) == (1, True)
    done = here.restore(here.backups)
    assert done.code == 0, done.err
    first, aside = [row.nspname for row in here.rows(SCHEMAS)]
    assert (first, aside[:17]) == ("headframe", "headframe_before_")
    assert here.rows(f'select count(*) from "{aside}".file')[0][0] == 3
    assert headframe(here.config, "verify").code == 0


SESSIONS = "select 1 from pg_stat_activity where application_name = 'headframe/restore'"


def test_what_is_replaced_and_still_read_stays_and_is_named(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "DROP_S", 0.2)
    here.backup()
    with session(here, "psql") as reader:
        reader.execute(text("select count(*) from item"))
        done = here.restore(here.backups, "--replace", "--yes")
    assert done.code == 0, done.err
    assert 'drop schema "headframe_before_' in done.err or "drop schema headframe_before_" in done.err
    assert headframe(here.config, "verify").code == 0


def test_a_full_disk_is_said_and_nothing_is_left_of_the_backup(
    here: Place, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not may_mount(tmp_path / "tried"):
        again_where_one_may_mount(request.node)
        return
    with small_disk(tmp_path / "disk") as disk:
        here.backups = disk / "backups"
        here.backups.mkdir()
        (disk / "ballast").write_bytes(os.urandom((1 << 20) - 40_000))
        refused = here.backup()
        assert refused.code == 1
        assert "No space left on device; no backup was made" in refused.err
        assert names(here) == []


def test_a_folder_that_cannot_be_is_said(here: Place) -> None:
    here.backups.write_text("a file")
    here.backups /= "below"
    refused = here.backup()
    assert refused.code == 1
    assert "no backup was made, and older ones are as they were; give another one by --to" in refused.err


def test_a_backup_that_cannot_be_noted_is_complete_all_the_same(here: Place) -> None:
    here.rows("alter table backup add constraint none check (false)")
    said = here.backup()
    assert said.code == 1
    assert "is complete, but the database could not write down that it is there" in said.err
    (file,) = manifests(here)
    assert file.with_suffix(".dump").exists()


def test_a_manifest_that_cannot_be_read_may_be_the_newest(here: Place, fresh: Place) -> None:
    here.backup()
    (good,) = manifests(here)
    (here.backups / "headframe-20990101T000000Z.json").write_text("{")
    refused = fresh.restore(here.backups)
    assert refused.code == 1
    assert "headframe-20990101T000000Z.json: is no manifest of a backup" in refused.err
    assert "it may be the newest: to use another one, name that one's file" in refused.err
    assert fresh.restore(good.with_suffix(".dump")).code == 0


def test_dumps_without_manifests_are_counted(here: Place, fresh: Place) -> None:
    here.backup()
    (file,) = manifests(here)
    file.unlink()
    refused = fresh.restore(here.backups)
    assert "only 1 dump without manifest (docs/backup.md" in refused.err


def test_a_dump_without_its_manifest_is_brought_in_by_hand(
    here: Place, fresh: Place, machine: SmallMachine, postgres: PostgresServer
) -> None:
    here.backup()
    (file,) = manifests(here)
    words = [postgres.programs / "pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "-d", fresh.url]
    subprocess.run([*words, file.with_suffix(".dump")], check=True, capture_output=True)
    done = headframe(fresh.config, "db", "recovered", "--yes")
    assert done.code == 0, done.err
    assert headframe(fresh.config, "db", "upgrade").code == 0
    again = SmallMachine(fresh.url, machine.root)
    for sequence in (2, 3):
        again.through(1, sequence)
    with again.engine.connect() as connection:
        assert list(verify(connection, [("source", "inbox")], again.resolve)) == []
    again.engine.dispose()


def test_backups_of_an_instance_that_began_anew_do_not_drive_out_the_last_whole_one(here: Place) -> None:
    here.backup()
    (file,) = manifests(here)
    told = json.loads(file.read_text())
    for year, files in ((2020, 5), (2021, 7), (2022, 1)):
        name = f"headframe-{year}0101T000000Z"
        changed = told | {"dump": f"{name}.dump", "started": f"{year}-01-01T00:00:00Z"}
        changed["counts"] = told["counts"] | {"file": files}
        (here.backups / f"{name}.json").write_text(json.dumps(changed))
        (here.backups / f"{name}.dump").write_text("x")
    said = here.backup("--keep", "2")
    assert said.code == 0, said.err
    assert "headframe-20210101T000000Z.json: it has 7 files and the newest 3" in said.out
    left = [each.name[10:14] for each in manifests(here)]
    assert left == ["2021", *sorted(left[1:])]
    assert len(left) == 3


@pytest.mark.parametrize("words", [("restore",), ("db", "recovered")])
def test_a_clock_that_went_back_is_set_first(here: Place, words: tuple[str, ...]) -> None:
    here.backup()
    (file,) = manifests(here)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"ended": "2999-01-01T00:00:00Z"}))
    here.rows("update item set changed_at = '2999-01-01', version = version + 1 where id = 1")
    more = (str(file), "--replace") if words == ("restore",) else ()
    before = here.rows("select id, epoch from item order by id")
    refused = headframe(here.config, *words, *more, "--yes")
    assert refused.code == 1
    assert "2999-01-01 00:00:00 UTC; nothing was changed; set the clock right" in refused.err
    assert here.rows("select id, epoch from item order by id") == before


def test_a_role_that_may_not_read_all_is_told_which_table(here: Place, postgres: PostgresServer) -> None:
    here.rows("create role backup_too_little login password 'x'")
    try:
        here.rows("grant usage on schema headframe to backup_too_little")
        here.rows("grant select on alembic_version, run to backup_too_little")
        place = here.url.partition("@")[2]
        here.config.write_text(f'[database]\nurl = "postgresql://backup_too_little:x@{place}"\n')
        refused = here.backup()
        assert refused.code == 1
        assert "permission denied for table" in refused.err
        assert names(here) == []
    finally:
        here.rows("drop owned by backup_too_little")
        here.rows("drop role backup_too_little")


def test_a_program_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pg_dump", "pg_restore"):
        (tmp_path / name).write_bytes(b"\x7fELF of another machine")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(programs, "_folders", lambda: iter([tmp_path]))
    with pytest.raises(programs.BackupError, match="and here is none"):
        programs.find(15)
