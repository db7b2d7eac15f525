"""The migrations make exactly the schema that the code declares, from nothing, twice, and say so when they are old."""

import re
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from headframe.statemachine import database
from headframe.statemachine.schema import metadata


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = database.connect(empty_database_url, "mine")
    yield made
    made.dispose()


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
