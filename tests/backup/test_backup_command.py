"""`headframe backup` and `headframe restore`: what they say, refuse and keep; over a machine of a few files."""

import json
import os
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from headframe.daemon.backup.manifest import BackupError
from headframe.statemachine.database import connect
from headframe.statemachine.verify import verify

from ..integration.cli_help import headframe
from ..integration.small_machine import SmallMachine
from .place import Place, manifests, names


def test_a_backup_is_two_files_that_only_their_owner_reads_and_a_row(here: Place) -> None:
    done = here.backup()
    assert done.code == 0, done.err
    (file,) = manifests(here)
    told = json.loads(file.read_text())
    dump = here.backups / told["dump"]
    assert names(here) == sorted([file.name, dump.name])
    assert {stat.S_IMODE(each.stat().st_mode) for each in (file, dump)} == {0o600}
    assert told["size"] == dump.stat().st_size
    assert (told["instance"], told["counts"]["file"]) == ("headframe", 3)
    assert here.rows("select place, size from backup") == [(str(file), told["size"])]


def test_the_password_is_on_no_command_line(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    said: list[str] = []
    popen = subprocess.Popen.__init__

    def listening(self: Any, args: Any, *more: Any, **options: Any) -> None:
        said.append(" ".join(map(str, args)))
        popen(self, args, *more, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", listening)
    assert here.backup().code == 0
    password = here.url.split(":")[2].split("@")[0]
    assert any("pg_dump --format" in line for line in said)
    assert not [line for line in said if password in line]


def test_a_server_that_ends_idle_transactions_waits_for_a_long_dump(
    here: Place, machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headframe.daemon.backup import take

    allowed: list[str] = []
    counted = take.counted

    def asking(connection: Connection) -> dict[str, int]:
        for limit in ("idle_in_transaction_session_timeout", "statement_timeout"):
            allowed.append(connection.execute(text(f"show {limit}")).scalar_one())
        return counted(connection)

    monkeypatch.setattr(take, "counted", asking)
    database = machine.sql_value("select current_database()")
    machine.sql(f'alter database "{database}" set idle_in_transaction_session_timeout = 600000')
    machine.sql(f'alter database "{database}" set statement_timeout = 600000')
    assert here.backup().code == 0
    assert allowed == ["0", "0"]


def test_only_the_newest_are_kept_and_other_files_are_left_alone(here: Place) -> None:
    for name in ("headframe-20200101T000000Z", "headframe-20210101T000000Z"):
        here.backup()
        (file,) = [each for each in manifests(here) if "-2020" not in each.name and "-2021" not in each.name]
        told = json.loads(file.read_text())
        told |= {"dump": f"{name}.dump", "started": f"{name[10:14]}-01-01T00:00:00Z"}
        file.with_suffix(".dump").rename(here.backups / f"{name}.dump")
        file.unlink()
        (here.backups / f"{name}.json").write_text(json.dumps(told))
    (here.backups / "notes.txt").write_text("mine")
    done = here.backup("--keep", "2")
    assert "removed" in done.out
    left = names(here)
    assert len(left) == 5
    assert "notes.txt" in left
    assert not [name for name in left if "2020" in name]


def test_a_part_that_a_killed_backup_left_is_removed_a_day_later(here: Place) -> None:
    here.backups.mkdir()
    for name, age_s in ((".headframe-1.dump.part", 90_000), (".headframe-2.dump.part", 60)):
        (here.backups / name).write_text("x")
        moment = time.time() - age_s
        os.utime(here.backups / name, (moment, moment))
    here.backup()
    assert [name for name in names(here) if name.endswith(".part")] == [".headframe-2.dump.part"]


def test_a_dump_that_has_had_no_manifest_for_a_day_goes_with_the_old_ones(here: Place) -> None:
    here.backups.mkdir()
    lonely, young, foreign = (
        here.backups / name for name in ("headframe-20200101T000000Z.dump", "headframe-20260101T000000Z.dump",
                                         "headframe-mine.dump")
    )  # fmt: skip
    moment = time.time() - 90_000
    for file in (lonely, young, foreign):
        file.write_text("x")
        if file != young:
            os.utime(file, (moment, moment))
    assert not here.backup().out.count("removed")
    assert f"removed {lonely}" in here.backup("--keep", "9").out
    assert (lonely.exists(), young.exists(), foreign.exists()) == (False, True, True)


def test_a_dump_has_no_name_before_it_was_checked(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from headframe.daemon.backup import take

    def refuse(programs: Path, dump: Path) -> list[str]:
        assert names(here) == [dump.name]
        assert dump.name.endswith(".part")
        raise BackupError(f"{dump}: pg_restore cannot read it")

    monkeypatch.setattr(take, "contents", refuse)
    refused = here.backup()
    assert refused.code == 1
    assert names(here) == []


def test_backups_of_one_second_have_names_of_their_own(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from headframe.daemon.backup import take

    moment = datetime(2026, 11, 22, 8, tzinfo=UTC)
    monkeypatch.setattr(take, "moment", lambda _: moment)
    for _ in range(2):
        done = here.backup()
        assert done.code == 0, done.err
    first, second = "headframe-20261122T080000Z", "headframe-20261122T080000Z-2"
    assert set(names(here)) == {f"{name}.{kind}" for name in (first, second) for kind in ("dump", "json")}
    assert json.loads((here.backups / f"{second}.json").read_text())["dump"] == f"{second}.dump"


def test_a_restored_instance_is_whole_and_goes_on(here: Place, fresh: Place, machine: SmallMachine) -> None:
    here.backup()
    before = here.rows("select id, state, epoch from item order by id")
    done = fresh.restore(here.backups)
    assert done.code == 0, done.err
    after = fresh.rows("select id, state, epoch, phase, trigger from item order by id")
    assert [(row.id, row.state) for row in after] == [(row.id, row.state) for row in before]
    assert all(now.epoch > then.epoch + 1_000_000 for now, then in zip(after, before, strict=True))
    assert {row.trigger for row in after} == {"restore"}
    assert fresh.rows("select outcome from attempt where outcome = 'running'") == []
    assert fresh.rows("select count(*) from backup")[0][0] == 1
    again = SmallMachine(fresh.url, machine.root)
    again.arrive(1, 4)
    for sequence in (2, 3, 4):
        again.through(1, sequence)
    with again.engine.connect() as connection:
        assert list(verify(connection, [("source", "inbox")], again.resolve)) == []
    assert again.item(1, 4).id > 1_000_000_000
    again.engine.dispose()


def test_what_a_worker_says_of_the_lost_time_is_late(here: Place, fresh: Place, machine: SmallMachine) -> None:
    here.backup()
    machine.say(1, 2, "fail", reason_code="x", reason="y")
    lost = machine.item(1, 2)
    machine.arrive(1, 4)
    younger = machine.item(1, 4)
    assert fresh.restore(here.backups).code == 0
    again = SmallMachine(fresh.url, machine.root)
    for said in (lost, younger):
        _say_succeeded(again, said.id, said.epoch)
    assert {row.state for row in fresh.rows("select state from item where step = 'salt'")} == {"arrived"}
    causes = fresh.rows("select item_id, cause from late order by item_id")
    assert [tuple(row) for row in causes] == [(lost.id, "stale-epoch"), (younger.id, "unknown-item")]
    again.engine.dispose()


def _say_succeeded(machine: SmallMachine, item: int, epoch: int) -> None:
    from headframe.statemachine.records import Outcome
    from headframe.statemachine.store.fold import Said
    from headframe.statemachine.store.reports import apply_reports

    from ..integration.small_machine import WORKER

    said = Outcome(item=item, epoch=epoch, trigger="succeed", step="salt")
    with machine.engine.begin() as connection:
        apply_reports(connection, [Said(outcome=said, reporter=WORKER)])


def test_two_restores_of_one_backup_give_out_no_number_twice(here: Place, fresh: Place) -> None:
    here.backup()
    fresh.restore(here.backups)
    first = fresh.rows("select max(epoch) from item")[0][0]
    fresh.rows("select pg_sleep(1.1)")
    assert fresh.restore(here.backups, "--replace", "--yes").code == 0
    assert fresh.rows("select min(epoch) from item")[0][0] > first


def test_an_instance_with_data_is_not_replaced_unless_that_is_said(here: Place) -> None:
    here.backup()
    refused = here.restore(here.backups)
    assert refused.code == 1
    assert "the database has 1 run and 3 files of headframe" in refused.err
    unasked = here.restore(here.backups, "--replace")
    assert unasked.code == 2
    assert here.rows("select count(*) from item where trigger = 'restore'")[0][0] == 0
    assert here.restore(here.backups, "--replace", "--yes").code == 0
    schemas = here.rows("select nspname from pg_namespace where nspname like 'headframe%'")
    assert [row.nspname for row in schemas] == ["headframe"]


def test_a_dry_run_checks_and_changes_nothing(here: Place, fresh: Place) -> None:
    here.backup()
    done = fresh.restore(here.backups, "--dry-run")
    assert (done.code, "nothing was changed" in done.out) == (0, True)
    assert fresh.rows("select 1 from pg_namespace where nspname = 'headframe'") == []


def test_a_running_instance_is_not_restored_over(here: Place) -> None:
    here.backup()
    here.rows("insert into process (owner, role, host) values ('a', 'conductor', 'node-1')")
    refused = here.restore(here.backups, "--replace", "--yes")
    assert refused.code == 1
    assert "conductor on node-1" in refused.err


def test_a_web_that_only_has_a_session_is_seen(here: Place) -> None:
    here.backup()
    web = connect(here.url, "headframe", role="web")
    with web.connect() as connection:
        number = connection.execute(text("select pg_backend_pid()")).scalar_one()
        connection.rollback()
        refused = here.restore(here.backups, "--replace", "--yes")
        assert refused.code == 1
        assert f"headframe/web (process {number} of PostgreSQL)" in refused.err
        assert "pg_terminate_backend" in refused.err
        assert headframe(here.config, "db", "recovered", "--yes").code == 1
    web.dispose()


def test_a_web_that_may_be_another_instances_is_named(here: Place) -> None:
    here.backup()
    here.rows("create schema another")
    here.rows("create table another.alembic_version (version_num text)")
    web = connect(here.url, "another")
    with web.connect() as connection:
        connection.execute(text("set application_name = 'web'"))  # as 0.1.0 has it
        connection.commit()
        done = here.restore(here.backups, "--replace", "--yes")
    web.dispose()
    assert done.code == 0, done.err
    assert "of headframe or of another instance in this database: web (process" in done.err


def test_what_a_killed_restore_put_aside_is_named_with_what_drops_it(here: Place) -> None:
    here.backup()
    here.rows("alter schema headframe rename to headframe_before_1763800000")
    drop = 'drop schema "headframe_before_1763800000" cascade'
    checked = headframe(here.config, "db", "check")
    assert checked.code == 1
    assert drop in checked.err
    assert 'alter schema "headframe_before_1763800000" rename to "headframe"' in checked.err
    done = here.restore(here.backups)
    assert done.code == 0, done.err
    assert drop in done.err
    here.rows(drop)
    checked = headframe(here.config, "db", "check")
    assert (checked.code, checked.err) == (0, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"instance": "other"}, "is a backup of the instance other"),
        ({"revision": "9999_later", "version": "9.0.0"}, "install 9.0.0 or later"),
        ({"server": 99}, "restore it into PostgreSQL 99 or later"),
        ({"format": 9}, "is of a later headframe"),
        ({"blake3": "0" * 64}, "is not what was written"),
        ({"size": 1}, "is not what was written"),
    ],
)
def test_a_backup_that_does_not_fit_is_refused_before_anything_changes(
    here: Place, fresh: Place, change: dict[str, Any], said: str
) -> None:
    here.backup()
    (file,) = manifests(here)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    refused = fresh.restore(file)
    assert refused.code == 1
    assert said in refused.err
    assert fresh.rows("select 1 from pg_namespace where nspname = 'headframe'") == []


def test_a_restore_that_fails_half_way_leaves_what_was_there(here: Place) -> None:
    here.backup()
    (file,) = manifests(here)
    told = json.loads(file.read_text())
    told["counts"]["file"] += 1
    file.write_text(json.dumps(told))
    before = here.rows("select id, version from item order by id")
    refused = here.restore(file, "--replace", "--yes")
    assert refused.code == 1
    assert "table file has 3 rows and the manifest says 4" in refused.err
    assert here.rows("select id, version from item order by id") == before


def test_a_folder_without_a_complete_backup_is_named(fresh: Place, tmp_path: Path) -> None:
    refused = fresh.restore(tmp_path)
    assert "there is no complete backup of headframe in this folder" in refused.err


def test_programs_that_are_older_than_the_server_are_named(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from headframe.daemon.backup import programs

    monkeypatch.setattr(programs, "_installed", lambda _: iter([(Path("/nowhere"), 9)]))
    refused = here.backup()
    assert refused.code == 1
    assert "or later, and here is only 9" in refused.err
    assert "postgresql-client-" in refused.err
    assert manifests(here) == []
