"""Expand and contract: a migration only adds, or names the version that stopped using what it takes away."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from headframe import __version__
from headframe.statemachine import compatibility, database

from ..integration.servers import PostgresServer
from ..integration.web_filled import cloned
from .promises import broken, look

RELEASED = "0011_pilots"
"""The last revision of 0.1.0, from which on each is looked at."""
ADDING = (
    "create table later (id bigint primary key, what text not null unique)",
    "alter table pilot add column colour text not null default ''",
    "alter table pilot add column seen_by text",
    "create index later_pilot on pilot (job)",
    "create or replace function attempt_named() returns trigger language plpgsql as 'begin return new; end'",
    "alter table pilot alter column token drop not null",
)


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = database.connect(empty_database_url, "mine")
    database.upgrade(made, "mine", RELEASED)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def there(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Engine]:
    with cloned(postgres, database_template) as url:
        made = database.connect(url, instance)
        yield made
        made.dispose()


@pytest.fixture
def connection(there: Engine) -> Iterator[Connection]:
    """Give a connection whose changes are undone."""
    with there.connect() as made:
        yield made
        made.rollback()


def contracts(revision: str) -> str:
    """Give the version that a revision names in `CONTRACTS`, empty where it does not."""
    body = compatibility._files()[compatibility.known().index(revision)]
    found = compatibility.CONTRACTS.search(body)
    return found.group(1) if found else ""


def test_each_migration_since_the_last_release_only_expands_or_says_whom_it_shuts_out(engine: Engine) -> None:
    known = compatibility.known()
    for revision in known[known.index(RELEASED) + 1 :]:
        with engine.connect() as connection:
            before = look(connection)
        database.upgrade(engine, "mine", revision)
        with engine.connect() as connection:
            found = broken(before, look(connection))
        assert contracts(revision) or not found, f"{revision} contracts: name the version in CONTRACTS\n{found}"


def test_nobody_is_shut_out_by_a_version_that_is_not_out_yet() -> None:
    """A contract is due once the version that no longer needs what goes has been released."""
    named = [contracts(revision) for revision in compatibility.known()]
    assert [each for each in named if each and compatibility.number(each) > compatibility.number(__version__)] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("drop table note cascade", "gone: table note"),
        ("alter table note rename to remark", "gone: table note"),
        ("alter table note rename column text to words", "gone: column note.text text"),
        ("alter table item drop column host", "gone: column item.host text"),
        ("alter table pilot alter column restarts type integer", "gone: column pilot.restarts bigint"),
        ("alter table pilot alter column state drop default", "gone: default of pilot.state"),
        ("drop trigger attempt_family_insert on attempt", "gone: trigger attempt_family_insert on attempt"),
        ("drop function attempt_named() cascade", "gone: function attempt_named()"),
        ("alter table pilot drop constraint pilot_token_key", "gone: unique: CREATE UNIQUE INDEX pilot_token_key"),
        ("alter table pilot alter column ended_at set not null", "new: pilot.ended_at not null"),
        ("alter table pilot add column colour text not null", "new: pilot.colour has to be said"),
        ("alter table pilot add constraint c check (restarts < 9)", "new: pilot. CHECK ((restarts < 9))"),
        ("create unique index u on pilot (job)", "new: pilot. CREATE UNIQUE INDEX u"),
        ("alter table pilot add foreign key (name) references site (name)", "new: pilot. FOREIGN KEY (name)"),
    ],
)
def test_what_code_of_before_would_stumble_over_is_found(connection: Connection, change: str, said: str) -> None:
    before = look(connection)
    connection.execute(text(change))
    found = broken(before, look(connection))
    assert any(line.startswith(said) for line in found), found


def test_what_only_adds_is_let_through(connection: Connection) -> None:
    before = look(connection)
    for change in ADDING:
        connection.execute(text(change))
    assert broken(before, look(connection)) == []
