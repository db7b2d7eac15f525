"""Tokens of programs: made once, known by their digest, never longer than a year, revoked at any time."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update
from sqlalchemy import true as always

from ...roles import Role, known, within
from ...schema import api_token, person
from ...schema.access import TOKEN_DAYS
from ...views.fields import View
from ..errors import NotFoundError, RefusedError
from .events import note
from .people import LOCAL, check_name, find
from .secrets import digest, new_token, plain

SERVICE = "service"
LARGEST = 2**63 - 1
MOST_RESOURCES = 50
MOST = 100
"""Tokens that one name may have at a time: who loses count of them should not make more."""
USED = timedelta(minutes=5)
"""How coarse the time of last use is: a write a request would be dear."""


class Token(View):
    """A token without its secret. `resources` are those that it may change, all where it names none."""

    id: int
    name: str
    source: str
    label: str
    roles: frozenset[Role]
    resources: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class Bearer(View):
    """Who sends a token: the name, what the token lets them do now, what it may change."""

    id: int
    name: str
    roles: frozenset[Role]
    resources: tuple[str, ...]
    expires_at: datetime
    stale: bool


def make(
    conn: Connection,
    name: str,
    roles: Iterable[Role],
    days: int,
    *,
    actor: str,
    source: str | None = None,
    label: str = "",
    resources: Sequence[str] = (),
) -> tuple[int, str]:
    """Make a token; give its number and its secret, which is never shown again.

    Without a source it is the local user's of that name, or else a service's. Raises `RefusedError`.
    """
    wanted = frozenset(roles)
    if not 1 <= days <= TOKEN_DAYS:
        raise RefusedError(f"a token lives from 1 to {TOKEN_DAYS} days, not {days}")
    if not wanted:
        raise RefusedError("a token needs a role")
    if len(resources) > MOST_RESOURCES:
        raise RefusedError(f"a token names {MOST_RESOURCES} resources at most, not {len(resources)}")
    secret, now = new_token(), func.clock_timestamp()
    whose = _source(conn, name, wanted) if source is None else source
    _check_number(conn, whose, name)
    values = {"name": name, "source": whose, "label": plain(label)}
    made = insert(api_token).values(
        digest=digest(secret), roles=sorted(wanted), resources=sorted(map(plain, resources)), created_by=actor,
        created_at=now, expires_at=now + timedelta(days=days), **values,
    )  # fmt: skip
    number: int = conn.execute(made.returning(api_token.c.id)).scalar_one()
    note(conn, "token-made", actor=actor, subject=name, detail=f"token {number}: {', '.join(sorted(wanted))}")
    return number, secret


def sent(conn: Connection, secret: str) -> Bearer | None:
    """Give who sends this token, if it counts now. A local user's never lets them do more than they may themselves."""
    c, now = api_token.c, func.clock_timestamp()
    stale = c.last_used_at.is_(None) | (c.last_used_at < now - USED)
    mine = (person.c.name == c.name) & (c.source == LOCAL)
    wanted = (
        select(
            c.id,
            c.name,
            c.source,
            c.roles,
            c.resources,
            c.expires_at,
            stale.label("stale"),
            person.c.roles.label("own"),
        )
        .select_from(api_token.outerjoin(person, mine))
        .where(c.digest == digest(secret), c.revoked_at.is_(None), c.expires_at > now)
        .where((c.source != LOCAL) | (person.c.name.is_not(None) & person.c.disabled_at.is_(None)))
    )
    row = conn.execute(wanted).first()
    if row is None:
        return None
    roles = known(row.roles) if row.source != LOCAL else within(known(row.roles), known(row.own))
    return Bearer(
        id=row.id,
        name=row.name,
        roles=roles,
        resources=tuple(row.resources),
        expires_at=row.expires_at,
        stale=row.stale,
    )


def used(conn: Connection, number: int) -> None:
    """Note that a token is in use."""
    conn.execute(update(api_token).where(api_token.c.id == number).values(last_used_at=func.clock_timestamp()))


def tokens(conn: Connection, *, owner: tuple[str, str] | None = None, revoked: bool = False) -> tuple[Token, ...]:
    """List tokens, the newest first: all, or those of a (source, name)."""
    c = api_token.c
    mine = always() if owner is None else (c.source == owner[0]) & (c.name == owner[1])
    wanted: Select[Any] = select(api_token).where(mine).order_by(c.id.desc())
    if not revoked:
        wanted = wanted.where(c.revoked_at.is_(None))
    return tuple(_token(row) for row in conn.execute(wanted))


def revoke(conn: Connection, number: int, *, actor: str, owner: tuple[str, str] | None = None) -> str:
    """End a token, only one of this (source, name) if told; give whose it was. Raises `NotFoundError`."""
    c = api_token.c
    wanted = (c.id == min(number, LARGEST)) & c.revoked_at.is_(None)
    if owner is not None:
        wanted = wanted & (c.source == owner[0]) & (c.name == owner[1])
    ended = update(api_token).where(wanted).values(revoked_at=func.clock_timestamp(), revoked_by=actor)
    name: str | None = conn.execute(ended.returning(c.name)).scalar()
    if name is None:
        raise NotFoundError(f"there is no token {number} that could be revoked")
    note(conn, "token-revoked", actor=actor, subject=name, detail=f"token {number}")
    return name


def _source(conn: Connection, name: str, roles: frozenset[Role]) -> str:
    check_name(name)
    who = find(conn, name)
    if who is None:
        return SERVICE
    if more := roles - within(roles, who.roles):
        raise RefusedError(f"user {name} does not have the role {', '.join(sorted(more))}, so no token of theirs can")
    return LOCAL


def _check_number(conn: Connection, source: str, name: str) -> None:
    c = api_token.c
    live = (c.source == source) & (c.name == name) & c.revoked_at.is_(None) & (c.expires_at > func.clock_timestamp())
    if conn.execute(select(func.count()).select_from(api_token).where(live)).scalar_one() >= MOST:
        raise RefusedError(f"{name} has {MOST} tokens already; revoke some first")


def _token(row: Any) -> Token:
    fields = {name: row._mapping[name] for name in Token.__struct_fields__}
    return Token(**{**fields, "roles": known(fields["roles"]), "resources": tuple(fields["resources"])})
