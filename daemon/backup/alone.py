"""Who changes a schema as a whole does so alone: one restore or upgrade at a time, and no backup meanwhile."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ...statemachine.queries import query
from .manifest import BackupError

POLITE = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def alone(engine: Engine, instance: str) -> Iterator[None]:
    """Have the schema for oneself. Raises `BackupError` where somebody else has it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield from _holding(connection, "hold_schema", instance)


@contextmanager
def kept(connection: Connection, instance: str) -> Iterator[None]:
    """Let nobody restore meanwhile. Raises `BackupError` where somebody does."""
    yield from _holding(connection, "keep_schema", instance)


def _holding(connection: Connection, how: str, instance: str) -> Iterator[None]:
    mine = connection.execute(query(how), {"instance": instance}).scalar_one()
    connection.rollback()
    try:
        if not mine:
            raise BackupError(_taken(connection, instance))
        yield
    finally:
        with suppress(DBAPIError):  # a connection that is lost holds nothing
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock_all()"))
            connection.rollback()


def _taken(connection: Connection, instance: str) -> str:
    found = connection.execute(query("schema_holders"), {"instance": instance}).first()
    if found is None:
        return f"the schema {instance} was in use a moment ago; say it again"
    end = f"to end it, in psql: select pg_terminate_backend({found.pid})"
    return f"{found.what} of {instance} is under way (process {found.pid} of PostgreSQL); wait until it is done; {end}"


@contextmanager
def leaving_in_order() -> Iterator[None]:
    """Take a polite kill and a lost terminal for Ctrl-C, so that what was begun is undone."""

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    before = {each: signal.getsignal(each) for each in POLITE}
    heard = [each for each, handler in before.items() if handler is signal.SIG_DFL]
    for each in heard:
        signal.signal(each, leave)
    try:
        yield
    finally:
        for each in heard:
            signal.signal(each, signal.SIG_DFL)
