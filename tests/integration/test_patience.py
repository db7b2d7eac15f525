"""A PostgreSQL that does not answer: what waits for it goes on, and what it left open is ended."""

import select
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from headframe.statemachine import database, patience

from .proxy import TcpProxy

PID = text("select pg_backend_pid()")


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


def test_connections_that_the_server_has_ended_are_replaced_before_they_are_used(
    engine: Engine, database_url: str
) -> None:
    with engine.connect() as conn:
        raw = conn.connection.driver_connection
        pid = conn.execute(PID).scalar_one()
    other = database.connect(database_url, "headframe", pool=1)
    with other.connect() as conn:
        conn.execute(text("select pg_terminate_backend(:pid, 10000)"), {"pid": pid})
    other.dispose()
    assert select.select([raw], [], [], 30)[0]
    with engine.connect() as conn:
        assert conn.execute(PID).scalar_one() != pid


def test_a_connection_used_a_moment_ago_is_not_asked_whether_it_is_there(engine: Engine, proxy: TcpProxy) -> None:
    with engine.connect() as conn:
        conn.execute(PID)
    proxy.stall()
    with engine.connect():
        pass
    proxy.flow()


def test_a_connection_that_was_lost_in_silence_while_idle_is_not_used(
    engine: Engine, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "IDLE_S", 0.0)
    monkeypatch.setattr(patience, "CONNECT_S", 1.0)
    with engine.connect() as conn:
        pid = conn.execute(PID).scalar_one()
    proxy.stall()
    with pytest.raises(OperationalError, match="no answer from PostgreSQL in 1 s"):
        engine.connect()  # the lost one was asked, and another one was wanted
    proxy.flow()
    with engine.connect() as conn:
        assert conn.execute(PID).scalar_one() != pid
