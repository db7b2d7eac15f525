"""`headframe db roles`: a role of the database for each kind of process, with what it needs and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .codes import Code, CommandError
from .session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine

    from ...statemachine.grants import Names
    from ..config import Config


@click.command()
@click.option("--apply", "applied", is_flag=True, help="Do it, as the user of [database] url; else print the SQL.")
@click.option(
    "--password-file",
    "passwords",
    multiple=True,
    metavar="ROLE=FILE",
    help="With --apply: set this role's password (owner, service, watcher, web, reader, backup) to what the file has.",
)
@pass_session
def roles(session: Session, applied: bool, passwords: Sequence[str]) -> int:
    """Make the database's roles, hand the schema to its owner, and grant each what it needs. Safe to repeat.

    It takes a superuser, or whoever owns the schema and may create roles. A password is never a word of the command.
    """
    names = names_of(session.config)
    if not applied:
        if passwords:
            raise CommandError("--password-file sets passwords only with --apply", Code.USAGE)
        return _print(session.config, names)
    chosen = dict(_password(each) for each in passwords)
    _apply(session, names, chosen)
    for role, name in names._asdict().items():
        click.echo(f"{role}: {name}" + (" (password set)" if role in chosen else ""))
    click.echo("next: each process its own [database] url; who has no password yet gets one by \\password in psql")
    return Code.DONE


def names_of(config: Config) -> Names:
    """Give the names of an instance's roles."""
    from ...statemachine import grants

    return grants.names_of(config.instance, config.database.roles)


def renew(engine: Engine, config: Config) -> tuple[list[str], list[str]]:
    """Grant anew, as after an upgrade that made tables; give the roles that are there, and the names of the others.

    Where not all are there, those that are still need the new tables.
    """
    names = names_of(config)
    with engine.begin() as connection:
        there = _renewed(connection, config, names, owner=False)
    return there, [name for role, name in names._asdict().items() if role not in there]


def hand_over(engine: Engine, config: Config) -> list[str]:
    """Give a schema that was made by who restored it to its owner, and everybody's rights; give the roles there."""
    with engine.begin() as connection:
        return _renewed(connection, config, names_of(config), owner=True)


def _renewed(connection: Connection, config: Config, names: Names, *, owner: bool) -> list[str]:
    from sqlalchemy import text

    from ...statemachine import grants

    known = text("select rolname from pg_roles where rolname = any(:names)")
    found = set(connection.execute(known, {"names": list(names)}).scalars())
    there = [role for role, name in names._asdict().items() if name in found]
    database = connection.execute(text("select current_database()")).scalar_one()
    owning = grants.owning(names, config.instance, database) if owner and "owner" in there else ()
    granting = grants.granting(names, config.instance, database, there) if there else ()
    for statement in (*owning, *granting):
        connection.execute(text(statement))
    return there


def _print(config: Config, names: Names) -> int:
    from sqlalchemy.engine import make_url

    from ...statemachine import grants

    database = (make_url(config.database.url).database if config.database.url else None) or "postgres"
    click.echo("-- for an administrator of PostgreSQL: psql --single-transaction --set ON_ERROR_STOP=1")
    for statement in _all(grants, names, config.instance, database):
        click.echo(f"{statement};")
    return Code.DONE


def _all(grants: Any, names: Names, instance: str, database: str) -> Iterator[str]:
    yield from grants.creating(names)
    yield from grants.owning(names, instance, database)
    yield from grants.granting(names, instance, database)


def _apply(session: Session, names: Names, passwords: dict[str, str]) -> None:
    """Do all of it in one transaction. A password goes to the server as its SCRAM verifier, so no log has it."""
    from psycopg2.extensions import encrypt_password, quote_ident
    from sqlalchemy import text

    from ...statemachine import grants

    instance = session.instance
    with session.changing() as connection:
        if connection.execute(text("select to_regclass('alembic_version')")).scalar() is None:
            raise CommandError(f"there is no schema {instance} yet", next_step="headframe db upgrade")
        database = connection.execute(text("select current_database()")).scalar_one()
        for statement in _all(grants, names, instance, database):
            connection.execute(text(statement))
        raw: Any = connection.connection.dbapi_connection
        for role, password in passwords.items():
            name = getattr(names, role)
            verifier = encrypt_password(password, name, raw, "scram-sha-256")
            with raw.cursor() as cursor:
                cursor.execute(f"alter role {quote_ident(name, raw)} password %s", (verifier,))


def _password(said: str) -> tuple[str, str]:
    from ...statemachine.roles import DATABASE_ROLES as ROLES
    from ..config import read_secret

    role, _, file = said.partition("=")
    if role not in ROLES or not file:
        raise CommandError(f"--password-file {said}: write ROLE=FILE, ROLE one of {', '.join(ROLES)}", Code.USAGE)
    password = read_secret(Path(file), f"--password-file {role}")
    if not password:
        raise CommandError(f"--password-file {said}: the file is empty", Code.USAGE)
    return role, password
