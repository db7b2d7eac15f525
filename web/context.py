"""What a request handler has at hand: the application's own settings and one read-only look at the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ..statemachine.database import DatabaseUnavailableError, explained

KEY = "headframe"
PATIENCE = text("set local statement_timeout = '10s'")
"""One runaway question may not hold a thread of the server for long."""


@dataclass(frozen=True)
class Context:
    """One application's settings: its database, its instance, the site's time zone, the pages' title."""

    engine: Engine
    instance: str
    zone: ZoneInfo
    title: str


def here() -> Context:
    """Give the settings of the application that answers this request."""
    context: Context = current_app.extensions[KEY]
    return context


@contextmanager
def reading() -> Iterator[Connection]:
    """Give a connection for one page: read only, and one snapshot, so that counts and rows agree.

    Raises `DatabaseUnavailableError` where PostgreSQL is away or all connections are taken.
    """
    with explained(), _connection(here().engine) as connection:
        yield connection


@contextmanager
def _connection(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError("all connections to PostgreSQL are in use; try again in a moment") from error
    with connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True):
        connection.execute(PATIENCE)
        yield connection
