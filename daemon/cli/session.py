"""What commands share: the configuration, the database, who is acting. All of it only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from ..config import Config


class Session:
    """One call of the command line."""

    def __init__(self, config_file: Path | None, environ: Mapping[str, str], *, debug: bool = False) -> None:
        self.config_file, self.environ, self.debug = config_file, environ, debug

    @cached_property
    def config(self) -> Config:
        """The configuration, read once. Raises `ConfigError`."""
        from ..config import load

        return load(self.config_file, self.environ)

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
        return connect(url, config.instance, pool=1, password=password, role="headframe-cli")

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Connect for reading: one snapshot that nothing can change by mistake."""
        from ...statemachine.database import explained

        with explained(), self.engine.connect() as connection:
            connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
            yield connection

    @contextmanager
    def changing(self, *, dry_run: bool = False) -> Iterator[Connection]:
        """Connect for one change that commits at the end, or is undone in a dry run."""
        from ...statemachine.database import explained

        with explained(), self.engine.connect() as connection:
            yield connection
            if dry_run:
                connection.rollback()
            else:
                connection.commit()

    @cached_property
    def zone(self) -> tzinfo:
        """The site's time zone."""
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.config.timezone)

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
        """Leave the database."""
        if "engine" in self.__dict__:
            self.engine.dispose()


pass_session = click.make_pass_decorator(Session)
