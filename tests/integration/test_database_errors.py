"""What an error of PostgreSQL is about: a server that is away, somebody in the way, or what was to be written."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from headframe.statemachine import database
from headframe.statemachine.database import DatabaseUnavailableError, explained, is_busy, is_passing, is_unreachable


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database.connect(database_url, "headframe", pool=1)
    yield made
    made.dispose()


def raised(engine: Engine, code: str) -> DBAPIError:
    statement = text(f"do $$ begin raise exception 'it says so' using errcode = '{code}'; end $$")
    with pytest.raises(DBAPIError) as caught, engine.begin() as conn:
        conn.execute(statement)
    return caught.value


@pytest.mark.parametrize("code", ["08006", "53300", "53100", "57P01", "57P02", "57P03", "57014", "25P03", "25006"])
def test_a_server_that_cannot_is_away(engine: Engine, code: str) -> None:
    error = raised(engine, code)
    assert is_unreachable(error) and is_passing(error) and not is_busy(error)
    with pytest.raises(DatabaseUnavailableError, match=r"^PostgreSQL is not reachable: it says so"), explained():
        raise error


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_whoever_is_in_the_way_will_be_gone_in_a_moment(engine: Engine, code: str) -> None:
    error = raised(engine, code)
    assert is_busy(error) and is_passing(error) and not is_unreachable(error)
    with pytest.raises(DatabaseUnavailableError, match=r"busy \(it says so\); try again"), explained():
        raise error


@pytest.mark.parametrize("code", ["54000", "54001", "54023", "22003", "22P05", "23505", "23514", "XX000"])
def test_what_the_server_refuses_is_the_fault_of_what_was_to_be_written(engine: Engine, code: str) -> None:
    error = raised(engine, code)
    assert not is_passing(error)
    with pytest.raises(DBAPIError), explained():
        raise error


@pytest.mark.parametrize("code", ["42P01", "3F000", "42703"])
def test_a_schema_of_another_version_is_nobodys_message(engine: Engine, code: str) -> None:
    error = raised(engine, code)
    assert is_passing(error) and not is_unreachable(error)
    with pytest.raises(DatabaseUnavailableError, match="headframe db upgrade"), explained():
        raise error


def test_nobody_listening_is_away_although_no_server_says_so() -> None:
    engine = database.connect("postgresql://nobody@127.0.0.1:1/nothing", "headframe")
    with pytest.raises(DBAPIError) as caught:
        engine.connect()
    assert is_unreachable(caught.value)


def test_a_session_that_was_ended_is_away(engine: Engine, database_url: str) -> None:
    other = database.connect(database_url, "headframe", pool=1)
    with engine.connect() as conn, other.connect() as ending:
        mine = conn.execute(text("select pg_backend_pid()")).scalar_one()
        ending.execute(text("select pg_terminate_backend(:pid)"), {"pid": mine})
        with pytest.raises(DBAPIError) as caught:
            conn.execute(text("select 1"))
    other.dispose()
    assert is_unreachable(caught.value)
