"""Runs from an SQL database: a query whose column names are the fields of `RunInfo`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from ...statemachine.records import Record, RunInfo, Trouble
from ..config.errors import ConfigError
from ..config.secrets import read_secret
from .base import Setting, key, options
from .rows import RowError, info


class Options(Record):
    """Where (`url`, `password_file`) and what (`query`, or `query_file`) to ask."""

    url: str
    password_file: Path | None = None
    query: str = ""
    query_file: Path | None = None


class SqlRunDB:
    """Asks with a new connection at each poll, so that a database that was away needs no repair."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.name
        self._timeout_s = setting.timeout_s
        self._options = options(setting, Options)
        if bool(self._options.query) == bool(self._options.query_file):
            raise ConfigError([f"{key(setting)}.query: set it, or query_file; one of them"])
        self._url = _checked(self._options.url, f"{key(setting)}.url")

    def poll(self) -> Iterator[RunInfo | Trouble]:
        """Give a run a row. Raises what SQLAlchemy raises, `OSError`, `ConfigError`."""
        secret = self._options.password_file
        url = self._url if secret is None else self._url.set(password=read_secret(secret))
        engine = create_engine(url, poolclass=NullPool, connect_args=_limits(url, self._timeout_s))
        query = self._options.query
        if self._options.query_file is not None:
            query = self._options.query_file.read_text(encoding="utf-8")
        try:
            with engine.connect().execution_options(stream_results=True) as connection:
                for place, row in enumerate(connection.execute(text(query)).mappings(), 1):
                    yield self._read(dict(row), place)
        finally:
            engine.dispose()

    def _read(self, row: dict[str, Any], place: int) -> RunInfo | Trouble:
        try:
            return info(row, self._name)
        except RowError as error:
            subject = f"rundb {self._name}, run {row.get('run', f'in row {place}')}"
            return Trouble(
                code="run-row-invalid", sentence=str(error), subject=subject, payload=str(row), source=self._name
            )


def _checked(url: str, where: str) -> URL:
    """Read a URL and see that its driver is installed. Raises `ConfigError`."""
    try:
        found = make_url(url)
        # SQLAlchemy takes this for psycopg 3 since 2.1; what is installed with us is psycopg2.
        if found.drivername == "postgresql":
            found = found.set(drivername="postgresql+psycopg2")
        create_engine(found, poolclass=NullPool).dispose()
    except ArgumentError as error:
        raise ConfigError([f"{where}: is no URL; expected such as postgresql://user@host/database"]) from error
    except ImportError as error:
        raise ConfigError([f"{where}: the driver for {found.drivername} is not installed: {error}"]) from error
    return found


def _limits(url: URL, timeout_s: float) -> dict[str, Any]:
    """Have the server give up in time, where its driver is known."""
    seconds = max(1, int(timeout_s))
    if url.get_backend_name() == "postgresql":
        # Read-only: whatever the query says, this changes nothing.
        session = f"-c statement_timeout={1000 * seconds} -c default_transaction_read_only=on"
        return {"connect_timeout": seconds, "options": session}
    return {"timeout": timeout_s} if url.get_backend_name() == "sqlite" else {}
