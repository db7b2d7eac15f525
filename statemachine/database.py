"""Connections to PostgreSQL, and the migrations that bring its schema up to date.

An instance owns one PostgreSQL schema of its own name; every connection finds it through `search_path`. All
sessions run in UTC.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from .store.sweep import next_partitions

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
INSTANCE = re.compile(r"[a-z][a-z0-9_]{0,40}")
UNREACHABLE = (OperationalError, InterfaceError, psycopg2.OperationalError, psycopg2.InterfaceError)


class DatabaseUnavailableError(Exception):
    """PostgreSQL cannot be reached, or its schema is missing. The text says which and what to do."""


def connect(url: str, instance: str, *, pool: int = 5, password: str | None = None, role: str = "headframe") -> Engine:
    """Make an engine for an instance. Nothing is connected yet. Raises `ValueError` for a bad instance name."""
    if not INSTANCE.fullmatch(instance):
        raise ValueError(f"instance {instance!r}: allowed are lower-case letters, digits and _, a letter first")
    settings = f"-c search_path={instance} -c timezone=UTC -c application_name={role}"
    arguments: dict[str, Any] = {"options": settings, "connect_timeout": 10}
    if password is not None:
        arguments["password"] = password
    engine = create_engine(
        _with_driver(url), pool_size=pool, max_overflow=2, pool_pre_ping=True, connect_args=arguments
    )
    event.listen(engine, "handle_error", _mark_disconnect)
    return engine


def upgrade(engine: Engine, instance: str, revision: str = "head") -> None:
    """Create the instance's schema where it is missing and run the migrations. Safe to run twice or at once."""
    from alembic import command

    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(hashtext(:name))"), {"name": f"upgrade-{instance}"})
        connection.execute(text(f'create schema if not exists "{instance}"'))
        connection.commit()
        command.upgrade(_alembic(connection), revision)
        next_partitions(connection)
        connection.commit()
        connection.execute(text("select pg_advisory_unlock_all()"))
        connection.commit()


def revisions(engine: Engine) -> tuple[str | None, str | None]:
    """Give the schema's revision and the one that this code wants."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        return present, ScriptDirectory.from_config(_alembic(connection)).get_current_head()


@contextmanager
def explained() -> Iterator[None]:
    """Turn an unreachable server or a missing schema into one clear `DatabaseUnavailableError`."""
    try:
        yield
    except UNREACHABLE as error:
        raise DatabaseUnavailableError(f"PostgreSQL is not reachable: {first_line(error)}") from error
    except DBAPIError as error:
        if error.orig is not None and getattr(error.orig, "pgcode", "") in ("42P01", "3F000", "42703"):
            raise DatabaseUnavailableError(
                f"the database schema is missing or old ({first_line(error)}); run: headframe db upgrade"
            ) from error
        raise


def first_line(error: BaseException) -> str:
    """Give the first line of an error's own text, without SQL and parameters."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n", 1)[0]


def is_unreachable(error: BaseException) -> bool:
    """Say whether an error means that PostgreSQL is away, rather than that the statement was wrong.

    psycopg2 also calls operational what is too large or too deep for PostgreSQL (class 54): that is no outage.
    """
    if (getattr(getattr(error, "orig", None) or error, "pgcode", None) or "").startswith("54"):
        return False
    return isinstance(error, UNREACHABLE) or bool(getattr(error, "connection_invalidated", False))


def _alembic(connection: Connection) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _with_driver(url: str) -> str:
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", url)


def _mark_disconnect(context: Any) -> None:
    cause = context.original_exception
    if isinstance(cause, (psycopg2.errors.AdminShutdown, psycopg2.errors.CannotConnectNow)):
        context.is_disconnect = True
