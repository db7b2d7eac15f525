"""A PostgreSQL that does not answer: what waits for it goes on, and what it left open is ended."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from headframe.statemachine import database

from .proxy import TcpProxy


@pytest.fixture
def proxy(database_url: str) -> Iterator[TcpProxy]:
    made = TcpProxy(urlsplit(database_url).port or 5432)
    yield made
    made.close()


@pytest.fixture
def engine(database_url: str, proxy: TcpProxy) -> Iterator[Engine]:
    parts = urlsplit(database_url)
    through = parts.netloc.replace(f":{parts.port}", f":{proxy.port}")
    made = database.connect(urlunsplit(parts._replace(netloc=through)), "headframe", pool=1, answer_s=2)
    yield made
    made.dispose()


def test_a_connection_that_has_stalled_is_given_up_and_the_next_one_works(engine: Engine, proxy: TcpProxy) -> None:
    with engine.connect() as conn:
        assert conn.execute(text("select 1")).scalar() == 1
        proxy.stall()
        began = time.monotonic()
        with pytest.raises(OperationalError, match="no answer from PostgreSQL in 2 s") as caught:
            conn.execute(text("select 2"))
        assert time.monotonic() - began < 15
    assert database.is_unreachable(caught.value)
    proxy.flow()
    with engine.connect() as conn:
        assert conn.execute(text("select 3")).scalar() == 3


def test_a_statement_that_takes_too_long_is_ended_by_the_server(engine: Engine) -> None:
    with engine.connect() as conn:
        with pytest.raises(OperationalError, match="statement timeout") as caught:
            conn.execute(text("select pg_sleep(30)"))
        assert database.is_unreachable(caught.value)
        conn.rollback()
        assert conn.execute(text("select 1")).scalar() == 1


def test_locks_of_a_process_that_hangs_in_a_transaction_are_released(engine: Engine, database_url: str) -> None:
    other = database.connect(database_url, "headframe", pool=1)
    with engine.connect() as hanging, other.connect() as watching:
        hanging.execute(text("lock table site"))
        held = text("select count(*) from pg_locks where relation = 'headframe.site'::regclass and granted")
        assert watching.execute(held).scalar() >= 1
        watching.rollback()
        watching.execute(text("set lock_timeout = '20s'"))
        watching.execute(text("lock table site"))
        watching.rollback()
        with pytest.raises(OperationalError):
            hanging.execute(text("select 1"))
    other.dispose()
