"""Roles of a test's database, each with a password, and the URLs by which processes use them."""

import secrets
from pathlib import Path

from headframe.statemachine.grants import Names, names_of
from headframe.statemachine.roles import DATABASE_ROLES

from ..conftest import on_server
from ..integration.servers import PostgresServer


class Roles:
    """The roles of one instance, of names that no other test has; applied by `headframe db roles`."""

    def __init__(self, folder: Path, postgres: PostgresServer, url: str, instance: str) -> None:
        self.postgres, self.url, self.instance = postgres, url, instance
        mark = secrets.token_hex(4)
        self.chosen = {role: f"r{mark}_{role}" for role in DATABASE_ROLES}
        self.names: Names = names_of(instance, self.chosen)
        self.passwords = {role: secrets.token_urlsafe(12) for role in DATABASE_ROLES}
        self.arguments: list[str] = []
        for role, password in self.passwords.items():
            (folder / f"{role}.password").write_text(password + "\n")
            self.arguments += ["--password-file", f"{role}={folder / f'{role}.password'}"]

    @property
    def table(self) -> str:
        """Give the configuration's table of the names."""
        return "\n".join(["[database.roles]", *(f'{role} = "{name}"' for role, name in self.chosen.items()), ""])

    def url_of(self, role: str) -> str:
        """Give the URL by which a process signs in with a role."""
        place = self.url.partition("@")[2]
        return f"postgresql://{self.chosen[role]}:{self.passwords[role]}@{place}"

    def remove(self) -> None:
        """Drop the roles, when the database is gone."""
        for name in self.names:
            on_server(self.postgres, f'DROP ROLE IF EXISTS "{name}"')
