"""Connections to PostgreSQL, and the migrations that bring its schema up to date.

An instance owns one PostgreSQL schema of its own name; every connection finds it through `search_path`. All
sessions run in UTC.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from . import patience
from .queries import query
from .store.sweep import next_partitions

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
INSTANCE = re.compile(r"[a-z][a-z0-9_]{0,40}")
UNREACHABLE = (OperationalError, InterfaceError, psycopg2.OperationalError, psycopg2.InterfaceError)
"""What psycopg2 raises where the server is away; also where it is there and refuses, and then with an SQLSTATE."""
AWAY = re.compile(r"08...|53...|57P..|58...|57014|25P03|25006")
"""SQLSTATEs of a server that cannot: connection, resources (disk, memory, connections), shut down, input and output,
a statement or a transaction that took too long, a standby that only reads."""
BUSY = re.compile(r"40...|55P03")
"""SQLSTATEs of a statement that another transaction was in the way of: deadlock, serialization, lock not available."""
OUTDATED = re.compile(r"42P01|3F000|42703")
"""SQLSTATEs of a schema that is not the one that this code was written for."""
LOCK_S = 0.5
"""How long a migration waits for a lock, and so how long others may have to wait behind it."""
PATIENCE_S = 1800.0
"""How long an upgrade tries again where others are in its way."""
AGAIN_S = 0.2
"""How soon an upgrade looks again whether another one, under way, has ended."""
NO_RIGHT = "42501"
"""The SQLSTATE of a right that is missing: also for the moment between a table of a migration and its grants."""
TCP = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""How soon a server that has gone without a word is given up (seconds, count, milliseconds)."""


class DatabaseUnavailableError(Exception):
    """PostgreSQL cannot be reached, or its schema is missing. The text says which and what to do.

    `for_all` says it without the server's own words, which name hosts and users.
    """

    def __init__(self, said: str, for_all: str = "") -> None:
        super().__init__(said)
        self.for_all = for_all or said


def connect(
    url: str,
    instance: str,
    *,
    pool: int = 5,
    password: str | None = None,
    role: str = "",
    answer_s: float | None = None,
) -> Engine:
    """Make an engine for an instance. Nothing is connected yet. Raises `ValueError` for a bad instance name.

    Its sessions say in PostgreSQL whose they are: `headframe/web` is of the instance headframe, with the role web.

    `answer_s` is how long a statement may take, on the server and on the way; a transaction in which nothing
    happens for half of it is ended by the server. Without it, both may last for ever.
    """
    if not INSTANCE.fullmatch(instance):
        raise ValueError(f"instance {instance!r}: allowed are lower-case letters, digits and _, a letter first")
    settings = f"-c search_path={instance} -c timezone=UTC -c application_name={session_name(instance, role)}"
    if answer_s is not None:
        half_ms = int(answer_s * 500)
        settings += f" -c statement_timeout={half_ms} -c idle_in_transaction_session_timeout={half_ms}"
    arguments: dict[str, Any] = {"options": settings, **TCP}
    if password is not None:
        arguments["password"] = password
    engine = create_engine(_with_driver(url), pool_size=pool, max_overflow=2, connect_args=arguments)
    event.listen(engine, "handle_error", _mark_disconnect)
    event.listen(engine, "connect", lambda raw, _: patience.limit(raw, answer_s or float("inf")))
    patience.replace_lost(engine)
    patience.install()
    return engine


def session_name(instance: str, role: str) -> str:
    """Give the name under which PostgreSQL shows a session: several instances may share a database."""
    return f"{instance}/{role}" if role else instance


class SchemaNewerError(Exception):
    """An upgrade by an older headframe than the schema's. The text says which and what to do."""


def upgrade(
    engine: Engine,
    instance: str,
    revision: str = "head",
    *,
    tell: Callable[[str], object] = lambda _: None,
    patience_s: float = PATIENCE_S,
) -> None:
    """Create the instance's schema where it is missing and run the migrations. Safe to run twice or at once.

    The machine may run meanwhile: nobody waits behind a migration for longer than `LOCK_S`. `tell` gets a line when
    it has to try again. Raises `SchemaNewerError` where a later headframe has brought the schema further than this
    code knows, `HalfRestoredError` where a restore was killed, `StillNeededError` where processes run that could not go
    on, and `OperationalError` where others were in the way for longer than `patience_s`.
    """
    from . import compatibility  # it reads the schema through this module

    with engine.connect() as connection, _one_at_a_time(connection, f"upgrade-{instance}"):
        connection.execute(text(f'create schema if not exists "{instance}"'))
        connection.commit()
        compatibility.refuse_half(connection)
        compatibility.refuse_newer(connection)
        compatibility.refuse_while_needed(connection)
        connection.commit()
        _migrate(connection, revision, tell, time.monotonic() + patience_s)
        compatibility.note(connection)
        connection.commit()


def _migrate(connection: Connection, revision: str, tell: Callable[[str], object], end: float) -> None:
    """Run the migrations, each in a transaction of its own, until all are through.

    A migration that waits for a lock has everybody who comes after it wait too, behind whoever holds it. So it gives
    up soon, lets them pass, and tries again. Sooner than PostgreSQL looks for deadlocks (a second), so that in one
    it is never the other who fails.
    """
    from alembic import command

    said = ""
    while True:
        try:
            connection.execute(text(f"set lock_timeout = '{LOCK_S * 1000:.0f}ms'"))
            connection.commit()
            command.upgrade(_alembic(connection), revision)
            next_partitions(connection)
            connection.commit()
            return
        except DBAPIError as error:
            connection.rollback()
            if not is_busy(error) or time.monotonic() > end:
                raise
        if (line := _in_the_way(connection)) != said:
            tell(line)
            said = line
        time.sleep(LOCK_S * 2)


def _in_the_way(connection: Connection) -> str:
    """Name the oldest transaction that may be in a migration's way."""
    oldest = connection.execute(query("oldest_transaction")).one_or_none()
    connection.rollback()
    if oldest is None:
        return "another transaction was in the way; trying again"
    name, since = oldest.application_name or "somebody", f"{oldest.since:%H:%M:%S} UTC"
    who = f"{name} (process {oldest.pid} of PostgreSQL, open since {since})"
    return f"a transaction of {who} is in the way; trying again until it has ended"


@contextmanager
def _one_at_a_time(connection: Connection, name: str) -> Iterator[None]:
    """Hold an advisory lock. It is tried again and again, for an index that is made beside the work
    (`create index concurrently`) waits for every statement that is under way, also for one that waits for this lock.
    """
    lock = text("select pg_try_advisory_lock(hashtext(:name))")
    while not connection.execute(lock, {"name": name}).scalar_one():
        connection.commit()
        time.sleep(AGAIN_S)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("reset lock_timeout"))
        connection.execute(text("select pg_advisory_unlock_all()"))
        connection.commit()


def revisions(engine: Engine) -> tuple[str | None, str | None]:
    """Give the schema's revision and the one that this code wants."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        return present, ScriptDirectory.from_config(_alembic(connection)).get_current_head()


def known_revisions() -> frozenset[str]:
    """Give all revisions of the schema that this code knows."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return frozenset(script.revision for script in ScriptDirectory.from_config(config).walk_revisions())


@contextmanager
def explained() -> Iterator[None]:
    """Turn an unreachable server or a missing schema into one clear `DatabaseUnavailableError`."""
    try:
        yield
    except (DBAPIError, psycopg2.Error) as error:
        line = first_line(error)
        if is_unreachable(error):
            said = "PostgreSQL is not reachable"
            raise DatabaseUnavailableError(f"{said}: {line}", said) from error
        if is_busy(error):
            said = "PostgreSQL was busy; try again"
            raise DatabaseUnavailableError(f"PostgreSQL was busy ({line}); try again", said) from error
        if is_outdated(error):
            said, todo = "the database schema is missing or old", "run: headframe db upgrade"
            raise DatabaseUnavailableError(f"{said} ({line}); {todo}", f"{said}; {todo}") from error
        raise


def first_line(error: BaseException) -> str:
    """Give the first line of an error's own text, without SQL and parameters."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n", 1)[0]


def is_unreachable(error: BaseException) -> bool:
    """Say whether an error means that PostgreSQL is away, or cannot, rather than that the statement was wrong.

    psycopg2 raises an `OperationalError` for both; what the server itself said has an SQLSTATE.
    """
    if getattr(error, "connection_invalidated", False):
        return True
    if _sqlstate(error):
        return AWAY.fullmatch(_sqlstate(error)) is not None
    return isinstance(error, UNREACHABLE)


def is_busy(error: BaseException) -> bool:
    """Say whether others were in the way: the same again, a moment later, is right."""
    return isinstance(error, PoolTimeoutError) or BUSY.fullmatch(_sqlstate(error)) is not None


def is_outdated(error: BaseException) -> bool:
    """Say whether an error means that the schema is not there, or not the one that this code was written for."""
    return OUTDATED.fullmatch(_sqlstate(error)) is not None


def is_without_right(error: BaseException) -> bool:
    """Say whether an error means that this process's role may not do it, or not yet."""
    return _sqlstate(error) == NO_RIGHT


def is_passing(error: BaseException) -> bool:
    """Say whether an error tells nothing of what was to be written: the server or its schema was not ready for it."""
    return is_unreachable(error) or is_busy(error) or is_outdated(error) or is_without_right(error)


def wait_briefly(connection: Connection, seconds: float) -> None:
    """Let this transaction wait at most so long for each lock; then it fails, and `is_busy` says so."""
    connection.execute(text(f"set local lock_timeout = '{seconds * 1000:.0f}ms'"))


def _sqlstate(error: BaseException) -> str:
    return getattr(getattr(error, "orig", None) or error, "pgcode", None) or ""


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
