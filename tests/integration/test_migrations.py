"""The migrations make exactly the schema that the code declares, from nothing, twice, and say so when they are old."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from headframe.statemachine import database
from headframe.statemachine.schema import metadata
from headframe.statemachine.store.prune import prune
from headframe.statemachine.store.sweep import fold
from headframe.statemachine.verify import verify

from .months import month, months_pass
from .small_machine import SmallMachine


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = database.connect(empty_database_url, "mine")
    yield made
    made.dispose()


def back(engine: Engine, revision: str) -> None:
    with engine.connect() as connection:
        command.downgrade(database._alembic(connection), revision)
        connection.commit()


def summed(engine: Engine, table: str) -> list[Any]:
    """Add up counts over all runs."""
    columns = "campaign_id, scope, state, phase, site"
    with engine.connect() as connection:
        statement = f"select {columns}, sum(n) as n from {table} group by {columns} order by {columns}"
        return list(connection.execute(text(statement)).all())


def whole(engine: Engine) -> list[Any]:
    return summed(engine, "count_whole")


def described(engine: Engine) -> list[Any]:
    """Give columns, comments and indexes of all tables."""
    statement = """
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      col_description(c.oid, a.attnum), obj_description(c.oid), pg_get_indexdef(c.oid)
    from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = cast(current_schema() as regnamespace) and c.relkind in ('r', 'p', 'i', 'I')
    order by 1, 2
    """
    with engine.connect() as connection:
        return list(connection.execute(text(statement)).all())


def test_migrations_make_the_schema_that_the_code_declares(engine: Engine) -> None:
    database.upgrade(engine, "mine")
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    partition = re.compile(r"history_(\d{4}_|default)")
    assert [difference for difference in found if not partition.search(str(difference))] == []


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    database.upgrade(engine, "mine")
    database.upgrade(engine, "mine")
    present, wanted = database.revisions(engine)
    assert present == wanted


def test_counts_of_before_are_those_of_all_runs_too(engine: Engine) -> None:
    database.upgrade(engine, "mine", "0002_letters")
    with engine.begin() as connection:
        for table in ("count_total", "count_delta"):
            connection.execute(
                text(
                    f"insert into {table} (run_id, campaign_id, scope, state, phase, site, n) "
                    "select run, campaign, 'file', state, 'ready', '', (run * campaign) % 5 "
                    "from generate_series(1, 50) run, generate_series(1, 3) campaign, (values ('a'), ('b')) s(state)"
                )
            )
        connection.execute(
            text("insert into history_checkpoint (item_id, at, state, phase) values (1, now(), 'a', 'b')")
        )
    database.upgrade(engine, "mine")
    assert whole(engine) == summed(engine, "count_total") != []
    with engine.begin() as connection:
        assert connection.execute(text("select count(*) from count_total where n = 0")).scalar_one() == 0
        assert connection.execute(text("select count(*) from history_checkpoint")).scalar_one() == 0
        fold(connection, 1000)
    assert summed(engine, "count_delta") == []
    assert whole(engine) == summed(engine, "count_total") != []


def test_a_machine_of_before_goes_on_and_forgets_its_months(machine: SmallMachine) -> None:
    machine.arrive(8, 1, 2)
    machine.through(8, 1)
    with machine.engine.begin() as connection:
        fold(connection, 3)
    back(machine.engine, "0002_letters")
    machine.sql(
        "insert into history_checkpoint (item_id, version, at, state, phase, epoch) "
        "select item_id, version, at, to_state, to_phase, to_epoch from history where version = 2"
    )
    database.upgrade(machine.engine, "headframe")
    machine.do(8, 2)
    months_pass(machine.engine)
    prune(machine.engine, month(), actor="anna", reason="the disk is full")
    machine.through(8, 2)
    with machine.engine.connect() as connection:
        assert list(verify(connection)) == []


def test_migrations_go_back_to_what_they_came_from(engine: Engine) -> None:
    database.upgrade(engine, "mine", "0002_letters")
    before = described(engine)
    database.upgrade(engine, "mine")
    assert described(engine) != before
    back(engine, "0002_letters")
    assert described(engine) == before


def test_a_missing_schema_is_one_clear_line(engine: Engine) -> None:
    with (
        pytest.raises(database.DatabaseUnavailableError, match="headframe db upgrade"),
        database.explained(),
        engine.connect() as connection,
    ):
        connection.execute(text("select * from item"))


def test_history_refuses_to_be_changed(engine: Engine) -> None:
    database.upgrade(engine, "mine")
    insert = (
        "insert into history (item_id, trigger, to_state, to_phase, campaign_id) values (1, 'arrive', 'a', 'ready', 1)"
    )
    with engine.begin() as connection:
        connection.execute(text(insert))
    for statement in ("update history set actor = 'me'", "delete from history"):
        with pytest.raises(Exception, match="append only"), engine.begin() as connection:
            connection.execute(text(statement))


def test_an_instance_name_that_could_be_sql_is_refused() -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        database.connect("postgresql://localhost/x", 'a"; drop schema public; --')
