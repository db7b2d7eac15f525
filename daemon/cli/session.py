"""What commands share: the configuration, what stands behind them, who is acting. All of it only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .codes import Code, CommandError

if TYPE_CHECKING:
    from datetime import tzinfo

    from sqlalchemy import Connection, Engine

    from ...client import Client
    from ..config import Config
    from .behind.contract import Changes, Deeds, Questions

PATIENCE_S = 15.0
"""So long a service may take for one answer; it asks the database for ten at most."""


class Session:
    """One call of the command line. With a `url` a service answers; without, the database that is configured."""

    def __init__(
        self,
        config_file: Path | None,
        environ: Mapping[str, str],
        *,
        debug: bool = False,
        url: str | None = None,
        token_file: Path | None = None,
    ) -> None:
        self.config_file, self.environ, self.debug = config_file, environ, debug
        # Who names a configuration means it, whatever address stands in the environment.
        self.url = url or (environ.get("HEADFRAME_URL", "").strip() if config_file is None else "") or None
        self.token_file = token_file

    @cached_property
    def config(self) -> Config:
        """The configuration, read once. Raises `ConfigError`; ends where only a URL is given."""
        from ..config import load

        self.at_host()
        return load(self.config_file, self.environ)

    def at_host(self) -> None:
        """End where only a URL is given, before anything that needs a host's configuration."""
        if self.url and self.config_file is None and not self.environ.get("HEADFRAME_CONFIG"):
            line = "this command needs a host's configuration, its database or files; a URL is not enough"
            raise CommandError(line, Code.USAGE, next_step="run it on a host of headframe, or give --config")

    @cached_property
    def engine(self) -> Engine:
        """The database, not connected yet. Raises `DatabaseUnavailableError` where it is embedded and not up."""
        from ...statemachine.database import connect
        from ..config import read_secret

        config = self.config
        url, password = config.database.url, None
        if config.database.embedded is not None:
            from ..embedded import url as embedded_url

            url = embedded_url(config)
        if config.database.password_file is not None:
            password = read_secret(config.database.password_file)
        return connect(url, config.instance, pool=1, password=password, role="command")

    @cached_property
    def client(self) -> Client:
        """The client of the service at the URL."""
        from ...client import Client

        file = self.token_file or self.environ.get("HEADFRAME_TOKEN_FILE", "").strip() or None
        return Client(self.url or "", token_file=file, timeout_s=PATIENCE_S)

    @contextmanager
    def asking(self) -> Iterator[Questions]:
        """Give whom to ask: of the database, one snapshot."""
        if self.url:
            from .behind.service import ServiceQuestions

            yield ServiceQuestions(self.client)
        else:
            from .behind.database import DatabaseQuestions

            with self.looking() as connection:
                yield DatabaseQuestions(connection, self.config)

    @contextmanager
    def acting(self, *, dry_run: bool = False) -> Iterator[Changes]:
        """Give who makes a change, which a dry run undoes."""
        if self.url:
            from .behind.service_changes import ServiceChanges

            yield ServiceChanges(self.client, dry_run=dry_run)
        else:
            from .behind.database_changes import DatabaseChanges

            with self.changing(dry_run=dry_run) as connection:
                yield DatabaseChanges(connection, self)

    @property
    def deeds(self) -> Deeds:
        """Who does what takes more than one transaction."""
        if self.url:
            from .behind.service_changes import ServiceDeeds

            return ServiceDeeds(self.client)
        from .behind.database_changes import DatabaseDeeds

        return DatabaseDeeds(self.engine, self.actor)

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Connect for reading: one snapshot that nothing can change by mistake."""
        from ...statemachine.compatibility import refuse_too_new
        from ...statemachine.database import explained

        with explained(), self.engine.connect() as connection:
            connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
            refuse_too_new(connection)
            yield connection

    @contextmanager
    def changing(self, *, dry_run: bool = False) -> Iterator[Connection]:
        """Connect for one change that commits at the end, or is undone in a dry run."""
        from ...statemachine.compatibility import refuse_too_new
        from ...statemachine.database import explained

        with explained(), self.engine.connect() as connection:
            refuse_too_new(connection)
            yield connection
            if dry_run:
                connection.rollback()
            else:
                connection.commit()

    @cached_property
    def zone(self) -> tzinfo:
        """The site's time zone."""
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.client.me().timezone if self.url else self.config.timezone)

    @property
    def instance(self) -> str:
        """The instance's name."""
        return self.client.me().instance if self.url else self.config.instance

    @property
    def alone(self) -> bool:
        """Say whether everything runs in one process tree, as far as can be told from here."""
        return not self.url and self.config.broker.url == "memory:"

    @property
    def pages(self) -> str:
        """The address under which people know the pages; empty where that is not configured."""
        return (self.url or self.config.web.url).rstrip("/")

    @property
    def actor(self) -> str:
        """Who acts: $HEADFRAME_ACTOR, or the user of the operating system."""
        named = self.environ.get("HEADFRAME_ACTOR", "").strip()
        if named:
            return named
        import os
        import pwd

        try:
            return pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            return f"uid {os.geteuid()}"

    def close(self) -> None:
        """Leave the database, or the service."""
        if "client" in self.__dict__:
            self.client.close()
        if "engine" in self.__dict__:
            self.engine.dispose()


pass_session = click.make_pass_decorator(Session)
