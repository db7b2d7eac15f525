"""What a request handler has at hand: the application's own settings, and its ways to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app, g
from sqlalchemy import Connection, CursorResult, Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ..statemachine.database import DatabaseUnavailableError, explained
from ..statemachine.views.news import seen
from .settings import Settings

KEY = "headframe"
PATIENCE = text(
    "select set_config('statement_timeout', '10s', true), set_config('jit', 'off', true),"
    " cast(pg_current_snapshot() as text) as snapshot,"
    " extract(epoch from clock_timestamp()) as at"
)
"""One runaway question may not hold a thread of the server for long. It also says what a page will have seen.

Without PostgreSQL's compiler: where the planner thinks a question dear, that takes 200 ms over one that runs for 1.
"""


@dataclass(frozen=True)
class Context:
    """One application's database and settings, its time zone looked up."""

    engine: Engine
    settings: Settings
    zone: ZoneInfo

    @property
    def instance(self) -> str:
        """The instance's name."""
        return self.settings.instance

    @property
    def title(self) -> str:
        """The pages' title."""
        return self.settings.title


def here() -> Context:
    """Give the settings of the application that answers this request."""
    context: Context = current_app.extensions[KEY]
    return context


@contextmanager
def reading() -> Iterator[Connection]:
    """Give a connection for one page: read only, and one snapshot, so that counts and rows agree.

    Raises `DatabaseUnavailableError` where PostgreSQL is away or all connections are taken.
    """
    with explained(), _connection() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        _note(connection.execute(PATIENCE))
        yield connection


def _note(result: CursorResult[Any]) -> None:
    """Keep what the first snapshot of a page saw: it is told of what came after that."""
    if result.returns_rows and "position" not in g:
        row = result.one()
        g.position = seen(float(row.at), row.snapshot).written()


@contextmanager
def changing(*, dry_run: bool = False) -> Iterator[Connection]:
    """Give a connection for one change: it commits at the end, is undone in a dry run or where something is raised.

    Raises `DatabaseUnavailableError` where PostgreSQL is away or all connections are taken.
    """
    with explained(), _connection() as connection:
        connection.execute(PATIENCE)
        yield connection
        if dry_run:
            connection.rollback()
        else:
            connection.commit()


@contextmanager
def _connection() -> Iterator[Connection]:
    try:
        connection = here().engine.connect()
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError("all connections to PostgreSQL are in use; try again in a moment") from error
    with connection:
        yield connection
