"""Local users: their names, hashed passwords and roles."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from ...roles import Role, known
from ...schema import api_token, person, web_session
from ...views.fields import View
from ..errors import NotFoundError, RefusedError
from .events import note

NAME = re.compile(r"[a-z][a-z0-9._-]{0,62}")
LOCAL = ""
"""The source of local users, in sessions and tokens."""


class Person(View):
    """A local user. Times are UTC."""

    name: str
    display: str
    roles: frozenset[Role]
    created_by: str
    created_at: datetime
    disabled_at: datetime | None


def add(conn: Connection, name: str, password: str, roles: Iterable[Role], *, actor: str, display: str = "") -> None:
    """Add a local user; `password` is an argon2 hash. Raises `RefusedError` for a bad or taken name."""
    check_name(name)
    values = {"name": name, "display": display, "password": password, "roles": sorted(roles), "created_by": actor}
    made = conn.execute(upsert(person).values(**values).on_conflict_do_nothing().returning(person.c.name))
    if made.first() is None:
        raise RefusedError(f"there is a user {name} already; headframe user role changes what they may do")
    note(conn, "user-added", actor=actor, subject=name, detail=", ".join(sorted(roles)))


def check_name(name: str) -> None:
    """Raise `RefusedError` for what is no name of a user or a service."""
    if not NAME.fullmatch(name):
        raise RefusedError(f"{name!r} is no name; expected small letters, digits and . _ -, beginning with a letter")


def people(conn: Connection) -> tuple[Person, ...]:
    """List the local users by name."""
    return tuple(_person(row) for row in conn.execute(select(person).order_by(person.c.name)))


def find(conn: Connection, name: str) -> Person | None:
    """Give a local user, disabled or not."""
    if not NAME.fullmatch(name):
        return None
    row = conn.execute(select(person).where(person.c.name == name)).first()
    return _person(row) if row else None


def password_of(conn: Connection, name: str) -> str | None:
    """Give the hash of an enabled user's password."""
    wanted = select(person.c.password).where(person.c.name == name, person.c.disabled_at.is_(None))
    return conn.execute(wanted).scalar()


def set_roles(conn: Connection, name: str, roles: Iterable[Role], *, actor: str) -> None:
    """Change what a user may do, in their sessions and tokens too. Raises `NotFoundError`."""
    wanted = sorted(roles)
    _change(conn, name, roles=wanted)
    note(conn, "roles-changed", actor=actor, subject=name, detail=", ".join(wanted) or "none")


def set_password(conn: Connection, name: str, password: str, *, actor: str) -> None:
    """Change a password's hash and end the user's sessions. Raises `NotFoundError`."""
    _change(conn, name, password=password)
    _end_sessions(conn, name)
    note(conn, "password-changed", actor=actor, subject=name)


def rehash(conn: Connection, name: str, before: str, after: str) -> None:
    """Keep the same password under newer parameters, unless it was changed meanwhile."""
    conn.execute(update(person).where(person.c.name == name, person.c.password == before).values(password=after))


def disable(conn: Connection, name: str, *, actor: str, enabled: bool = False) -> None:
    """Let a user do nothing any more (their tokens are revoked for good), or again. Raises `NotFoundError`."""
    _change(conn, name, disabled_at=None if enabled else func.clock_timestamp())
    if not enabled:
        _end_sessions(conn, name)
        mine = (api_token.c.name == name) & (api_token.c.source == LOCAL) & api_token.c.revoked_at.is_(None)
        conn.execute(update(api_token).where(mine).values(revoked_at=func.clock_timestamp(), revoked_by=actor))
    note(conn, "user-enabled" if enabled else "user-disabled", actor=actor, subject=name)


def _change(conn: Connection, name: str, **values: Any) -> None:
    if not NAME.fullmatch(name):
        raise NotFoundError("there is no user of that name")
    changed = update(person).where(person.c.name == name).values(changed_at=func.clock_timestamp(), **values)
    if conn.execute(changed.returning(person.c.name)).first() is None:
        raise NotFoundError(f"there is no user {name}")


def _end_sessions(conn: Connection, name: str) -> None:
    theirs = (web_session.c.name == name) & (web_session.c.source == LOCAL) & web_session.c.revoked_at.is_(None)
    conn.execute(update(web_session).where(theirs).values(revoked_at=func.clock_timestamp()))


def _person(row: Any) -> Person:
    fields = {name: row._mapping[name] for name in Person.__struct_fields__}
    return msgspec.structs.replace(Person(**fields), roles=known(fields["roles"]))
