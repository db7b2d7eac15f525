"""Each process signs in to PostgreSQL with a role of its own, which can do what it needs and is refused the rest."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy import text

from headframe.statemachine import grants
from headframe.statemachine.database import connect
from headframe.statemachine.records import ArrivedFile
from headframe.statemachine.schema import metadata
from headframe.statemachine.store.arrivals import known
from headframe.statemachine.store.sites import Measured, SiteRow, declare, measure
from headframe.statemachine.store.sweep import next_partitions

from ..conftest import on_server
from ..integration.cli_help import headframe
from ..integration.servers import PostgresServer
from ..integration.small_machine import SmallMachine
from .roles import Roles

Ask = Callable[[str, str], list[Any]]


@pytest.fixture
def roles(postgres: PostgresServer, database_template: str, tmp_path: Path) -> Iterator[Roles]:
    """Give the roles of a machine of one file, in a database of its own."""
    name = f"roles_{tmp_path.name[-20:].lower()}"
    on_server(postgres, f'CREATE DATABASE "{name}" TEMPLATE {database_template}')
    made = Roles(tmp_path, postgres, postgres.url_of(name), "headframe")
    config = tmp_path / "headframe.toml"
    config.write_text(f'[database]\nurl = "{made.url}"\n{made.table}')
    machine = SmallMachine(made.url, tmp_path / "files")
    machine.arrive(1, 1)
    machine.through(1, 1)
    machine.engine.dispose()
    done = headframe(config, "db", "roles", "--apply", *made.arguments)
    assert done.code == 0, done.err
    yield made
    on_server(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')
    made.remove()


@pytest.fixture
def ask(roles: Roles) -> Iterator[Ask]:
    """Give who runs a statement as a role, and undoes it."""
    open_: dict[str, Any] = {}

    def asked(role: str, statement: str) -> list[Any]:
        if role not in open_:
            open_[role] = psycopg2.connect(roles.url_of(role), options="-c search_path=headframe")
        try:
            with open_[role].cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            open_[role].rollback()

    yield asked
    for connection in open_.values():
        connection.close()


ARRIVED = ArrivedFile(site="source", path="x", name="x", run=1, sequence=9, size=1, mtime_ns=1, kind="science")
REFUSED = [
    ("web", "delete from history"),
    ("web", "update history set actor = 'x'"),
    ("web", "truncate history"),
    ("web", "delete from item"),
    ("web", "delete from run"),
    ("web", "delete from file"),
    ("web", "delete from product"),
    ("web", "delete from operation"),
    ("web", "select sealed from salt_record"),
    ("web", "insert into count_total select * from count_total"),
    ("web", "delete from watermark"),
    ("web", "insert into backup (place) values ('x')"),
    ("web", "create table mine (x int)"),
    ("web", "alter table item disable trigger all"),
    ("web", "drop table item"),
    ("web", "update compatibility set oldest = '9'"),
    ("web", "update alembic_version set version_num = 'x'"),
    ("web", "select make_history_month(current_date)"),
    ("service", "delete from history"),
    ("service", "update history set actor = 'x'"),
    ("service", "truncate item"),
    ("service", "delete from item"),
    ("service", "delete from product"),
    ("service", "delete from late"),
    ("service", "select * from person"),
    ("service", "select * from api_token"),
    ("service", "select * from web_secret"),
    ("service", "update person set roles = '{administrator}'"),
    ("service", "insert into person (name, password) values ('x', 'y')"),
    ("service", "create table mine (x int)"),
    ("service", "drop table history_default"),
    ("service", "alter table item disable trigger all"),
    ("watcher", "select * from item"),
    ("watcher", "select * from run"),
    ("watcher", "select * from product"),
    ("watcher", "select * from person"),
    ("watcher", "insert into file (run_id, name) values (1, 'x')"),
    ("watcher", "update file set size = 0"),
    ("watcher", "update dead_letter set cleared_at = now()"),
    ("watcher", "update site set path = '/'"),
    ("watcher", "delete from site"),
    ("watcher", "create table mine (x int)"),
    ("reader", "select * from person"),
    ("reader", "select * from api_token"),
    ("reader", "select * from web_session"),
    ("reader", "select * from web_secret"),
    ("reader", "select * from answered"),
    ("reader", "select * from salt_record"),
    ("reader", "create table mine (x int)"),
    ("reader", "select pg_read_file('/etc/passwd')"),
    ("backup", "delete from backup"),
    ("backup", "update item set phase = 'ready'"),
    ("backup", "create table mine (x int)"),
    ("owner", "create role another"),
]


def test_no_role_can_do_what_it_does_not_need(ask: Ask) -> None:
    allowed = []
    for role, statement in REFUSED:
        try:
            ask(role, statement)
        except errors.InsufficientPrivilege:
            continue
        allowed.append((role, statement))
    assert allowed == []


def test_a_reader_and_a_backup_write_nothing_else(ask: Ask) -> None:
    written = []
    for role in ("reader", "backup"):
        for table in (*metadata.tables, grants.REVISION, "history_default"):
            for statement in (f"insert into {table} default values", f"delete from {table}", f"truncate {table}"):
                try:
                    ask(role, statement)
                except errors.InsufficientPrivilege:
                    continue
                except psycopg2.Error:
                    pass  # it got past its rights
                written.append((role, statement))
    assert written == [("backup", "insert into backup default values")]


def test_every_table_is_somebodys(ask: Ask) -> None:
    """A new table has to be given to who works on it: this fails until it is."""
    readable = set(grants.granted("service")) | set(grants.WEBS_OWN)
    assert set(metadata.tables) <= readable
    written = {
        table for role in ("service", "web") for table, rights in grants.granted(role).items() if rights != {"select"}
    }
    assert set(metadata.tables) - written == {"backup", "compatibility", "history_checkpoint"}


def test_a_watcher_reads_what_it_asks_for_and_measures_sites(roles: Roles, ask: Ask) -> None:
    admin = connect(roles.url, "headframe")
    with admin.begin() as connection:
        declare(connection, [SiteRow(name="source", kind="source", path="/source")])
    admin.dispose()
    engine = connect(roles.url_of("watcher"), "headframe")
    with engine.begin() as connection:
        assert known(connection, [ARRIVED]) == [False]
        measure(connection, [Measured(site="source", space={"total": 2, "free": 1})], "node-1")
    engine.dispose()
    assert ask("reader", "select space ->> 'host' from site where name = 'source'") == [("node-1",)]
    assert ask("watcher", "select count(*) from dead_letter") == [(0,)]


def test_a_sweeper_that_owns_nothing_makes_months_of_history(roles: Roles) -> None:
    admin = connect(roles.url, "headframe")
    with admin.begin() as connection:
        made = connection.execute(
            text("select count(*) from pg_inherits where inhparent = 'history'::regclass")
        ).scalar()
        last = connection.execute(
            text("select max(relname) from pg_class where relname ~ '^history_20' and relkind = 'r'")
        ).scalar_one()
        connection.execute(text(f"drop table {last}"))
    engine = connect(roles.url_of("service"), "headframe")
    with engine.begin() as connection:
        assert next_partitions(connection) == [last]
        count = text("select count(*) from pg_inherits where inhparent = 'history'::regclass")
        assert connection.execute(count).scalar() == made
        assert next_partitions(connection) == []
    engine.dispose()
    admin.dispose()


def test_the_months_function_makes_no_other_table(ask: Ask) -> None:
    for month in ("1999-01-01", "2999-01-01"):
        assert ask("service", f"select make_history_month('{month}')") == [(False,)]


def test_the_owner_brings_the_schema_up_and_grants_anew(roles: Roles, tmp_path: Path, ask: Ask) -> None:
    config = tmp_path / "owner.toml"
    config.write_text(f'[database]\nurl = "{roles.url_of("owner")}"\n{roles.table}')
    admin = connect(roles.url, "headframe")
    with admin.begin() as connection:
        connection.execute(text(f'revoke all on item from "{roles.names.service}"'))
    admin.dispose()
    done = headframe(config, "db", "upgrade")
    assert done.code == 0, done.err
    assert "the database's roles have what they need" in done.out
    assert ask("service", "select count(*) from item") == [(2,)]


def test_an_upgrade_grants_to_the_roles_that_are_there_and_names_the_missing_one(
    roles: Roles, tmp_path: Path, ask: Ask
) -> None:
    admin = connect(roles.url, "headframe")
    with admin.begin() as connection:
        connection.execute(text(f'drop owned by "{roles.names.watcher}"'))
        connection.execute(text(f'drop role "{roles.names.watcher}"'))
        connection.execute(text(f'revoke all on item from "{roles.names.service}"'))
    admin.dispose()
    done = headframe(tmp_path / "headframe.toml", "db", "upgrade")
    assert done.code == 0, done.err
    assert "the roles owner, service, web, reader, backup have what they need" in done.out
    assert f"1 role of the database is missing: {roles.names.watcher}" in done.err
    assert "headframe db roles --apply" in done.err
    assert ask("service", "select count(*) from item") == [(2,)]


def test_the_backup_role_takes_backups_and_the_owner_restores_them(roles: Roles, tmp_path: Path) -> None:
    config = tmp_path / "role.toml"
    for role, words in (
        ("backup", ("backup", "--to", str(tmp_path / "backups"))),
        ("owner", ("restore", str(tmp_path / "backups"), "--replace", "--yes")),
    ):
        config.write_text(f'[database]\nurl = "{roles.url_of(role)}"\n{roles.table}')
        done = headframe(config, *words)
        assert done.code == 0, done.err


def test_who_restores_gives_the_schema_to_its_owner_and_all_roles_their_rights(
    roles: Roles, tmp_path: Path, ask: Ask
) -> None:
    config, backups = tmp_path / "headframe.toml", str(tmp_path / "backups")
    assert headframe(config, "backup", "--to", backups).code == 0
    done = headframe(config, "restore", backups, "--replace", "--yes")
    assert done.code == 0, done.err
    assert "the database's roles have their rights again: owner, service, watcher, web, reader, backup" in done.out
    for role in ("service", "web", "reader", "backup"):
        assert ask(role, "select count(*) from item") == [(2,)]
    ask("owner", "alter table item add column another integer")
    with pytest.raises(errors.InsufficientPrivilege):
        ask("web", "select make_history_month(current_date)")


def test_what_is_printed_is_what_is_applied(roles: Roles, tmp_path: Path) -> None:
    config = tmp_path / "printed.toml"
    config.write_text(f'[database]\nurl = "{roles.url}"\n{roles.table}')
    printed = headframe(config, "db", "roles")
    assert printed.code == 0
    assert not [one for one in roles.passwords.values() if one in printed.out]
    with psycopg2.connect(roles.url) as connection, connection.cursor() as cursor:
        cursor.execute(printed.out)
    connection.close()
    assert re.search(r'grant insert, select on "headframe"\."history" to "r\w+_web"', printed.out)


def test_a_role_that_is_none_is_refused(roles: Roles, tmp_path: Path) -> None:
    config = tmp_path / "odd.toml"
    config.write_text(f'[database]\nurl = "{roles.url}"\n[database.roles]\nwebb = "x"\n')
    refused = headframe(config, "db", "roles")
    assert refused.code == 1
    assert "database.roles.webb" in refused.err
