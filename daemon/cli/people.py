"""`headframe user | token`: local users and tokens of programs.

A password comes from a prompt or a file, never as a word of the command, where others could read it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .codes import Code, CommandError
from .columns import Column
from .output import Output, output_options, write_rows
from .session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...statemachine.roles import Role

ROLES = ("viewer", "operator", "administrator", "blinding-committee", "launcher", "detector")
role_option = click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="What they may do.")
password_option = click.option(
    "--password-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Read it there, do not ask."
)


@click.group()
def user() -> None:
    """Local users: who signs in with a name and a password."""


@user.command("add")
@click.argument("name")
@role_option
@click.option("--display", default="", help="The name as people write it.")
@password_option
@pass_session
def add_user(session: Session, name: str, roles: Sequence[str], display: str, password_file: Path | None) -> int:
    """Add a local user."""
    from ...statemachine.store.access import people
    from ...web.access.passwords import hashed

    session.at_host()
    people.check_name(name)
    kept = hashed(_password(password_file), name)
    with session.changing() as conn:
        people.add(conn, name, kept, _roles(roles), actor=session.actor, display=display)
    click.echo(f"added {name}: {', '.join(roles) or 'no role yet'}")
    return Code.DONE


@user.command("list")
@output_options
@pass_session
def list_users(session: Session, output: str, no_headers: bool, exact: bool) -> int:
    """List local users and what they may do."""
    from ...statemachine.store.access import people

    with session.looking() as conn:
        rows = people.people(conn)
    _write(session, rows, USERS, Output(output, not no_headers, exact), lambda row: row.name)
    return Code.DONE


@user.command("role")
@click.argument("name")
@role_option
@pass_session
def set_roles(session: Session, name: str, roles: Sequence[str]) -> int:
    """Set all roles of a local user; without any, they may do nothing."""
    from ...statemachine.store.access import people

    with session.changing() as conn:
        people.set_roles(conn, name, _roles(roles), actor=session.actor)
    click.echo(f"{name}: {', '.join(roles) or 'no role'}; felt within seconds")
    return Code.DONE


@user.command("password")
@click.argument("name")
@password_option
@pass_session
def set_password(session: Session, name: str, password_file: Path | None) -> int:
    """Give a local user another password; their sessions end."""
    from ...statemachine.store.access import people
    from ...web.access.passwords import hashed

    session.at_host()
    kept = hashed(_password(password_file), name)
    with session.changing() as conn:
        people.set_password(conn, name, kept, actor=session.actor)
    click.echo(f"{name} has another password; their sessions have ended")
    return Code.DONE


@user.command("disable")
@click.argument("name")
@click.option("--enable", is_flag=True, help="Let them in again; their tokens stay revoked.")
@pass_session
def disable(session: Session, name: str, enable: bool) -> int:
    """Let a local user do nothing any more: sessions end, tokens are revoked. The name stays theirs."""
    from ...statemachine.store.access import people

    with session.changing() as conn:
        people.disable(conn, name, actor=session.actor, enabled=enable)
    click.echo(f"{name} may sign in again" if enable else f"{name} is disabled; felt within seconds")
    return Code.DONE


@click.group()
def token() -> None:
    """Tokens, by which programs show who they are."""


@token.command("make")
@click.argument("name")
@role_option
@click.option("--days", type=int, default=90, show_default=True, help="It ends after so many.")
@click.option(
    "--only",
    multiple=True,
    metavar="RESOURCE",
    help="It may change this under /api/v1, nothing else: arrivals, launchers/NAME.",
)
@click.option("--label", default="", help="What it is for.")
@pass_session
def make_token(session: Session, name: str, roles: Sequence[str], days: int, only: Sequence[str], label: str) -> int:
    """Make a token for the local user NAME, or for a service of that name. It is written once, to standard output."""
    from ...statemachine.store.access import tokens

    with session.changing() as conn:
        number, secret = tokens.make(
            conn, name, _roles(roles or ("viewer",)), days, actor=session.actor, label=label, resources=only
        )
    click.echo(f"token {number} of {name}, for {days} days; it is not shown again", err=True)
    click.echo(secret)
    return Code.DONE


@token.command("list")
@click.option("--all", "revoked", is_flag=True, help="Revoked ones too.")
@output_options
@pass_session
def list_tokens(session: Session, revoked: bool, output: str, no_headers: bool, exact: bool) -> int:
    """List tokens, the newest first; never their secrets, which are kept nowhere."""
    from ...statemachine.store.access import tokens

    with session.looking() as conn:
        rows = tokens.tokens(conn, revoked=revoked)
    _write(session, rows, TOKENS, Output(output, not no_headers, exact), lambda row: str(row.id))
    return Code.DONE


@token.command("revoke")
@click.argument("number", type=int)
@pass_session
def revoke(session: Session, number: int) -> int:
    """End a token."""
    from ...statemachine.store.access import tokens

    with session.changing() as conn:
        name = tokens.revoke(conn, number, actor=session.actor)
    click.echo(f"token {number} of {name} is revoked; felt within seconds")
    return Code.DONE


def _password(file: Path | None) -> str:
    if file is not None:
        from ..config import read_secret

        return read_secret(file, "--password-file")
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask on; give --password-file", Code.USAGE)
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return entered


def _roles(names: Sequence[str]) -> frozenset[Role]:
    from ...statemachine.roles import known

    return known(names)


def _write(session: Session, rows: Any, columns: Sequence[Column], output: Output, name_of: Any) -> None:
    if not write_rows(rows, columns, output, session.zone, name_of) and output.is_table:
        click.echo("none", err=True)


USERS = (
    Column("NAME", lambda row: row.name),
    Column("ROLES", lambda row: ", ".join(sorted(row.roles))),
    Column("DISPLAY", lambda row: row.display),
    Column("STATUS", lambda row: "disabled" if row.disabled_at else "enabled"),
    Column("ADDED", lambda row: row.created_at, "time"),
    Column("BY", lambda row: row.created_by, wide=True),
)
TOKENS = (
    Column("TOKEN", lambda row: row.id, "number"),
    Column("NAME", lambda row: row.name),
    Column("KIND", lambda row: row.source or "user"),
    Column("ROLES", lambda row: ", ".join(sorted(row.roles))),
    Column("ONLY", lambda row: ", ".join(row.resources)),
    Column("ENDS", lambda row: row.expires_at, "time"),
    Column("LAST USED", lambda row: row.last_used_at, "time"),
    Column("LABEL", lambda row: row.label),
    Column("REVOKED", lambda row: row.revoked_at, "time", wide=True),
)
COMMANDS = {"user": user, "token": token}
