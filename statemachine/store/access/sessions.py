"""Sessions of the pages: kept here and not in the cookie, so that one can be ended from outside."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ...roles import Role, known
from ...schema import person, web_session
from ...views.fields import View
from ..errors import NotFoundError
from .events import forget, note
from .people import LOCAL
from .secrets import digest, new_id, plain

LARGEST = 2**63 - 1
SEEN = timedelta(minutes=5)
"""How coarse the time of the last request is."""


class Guest(View):
    """Who has a session, and what they may do now."""

    id: int
    name: str
    display: str
    source: str
    roles: frozenset[Role]
    how: str
    expires_at: datetime
    stale: bool


class SessionRow(View):
    """A session as its owner sees it."""

    id: int
    how: str
    browser: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def begin(
    conn: Connection,
    name: str,
    hours: float,
    *,
    how: str,
    source: str = LOCAL,
    display: str = "",
    roles: Iterable[Role] = (),
    browser: str = "",
    address: str = "",
) -> str:
    """Begin a session; give the id for the cookie. `roles` are of who comes from a provider."""
    secret = new_id()
    values = {"name": name, "display": plain(display), "source": source, "roles": sorted(roles), "how": how}
    until = func.clock_timestamp() + timedelta(hours=hours)
    conn.execute(insert(web_session).values(digest=digest(secret), browser=plain(browser), expires_at=until, **values))
    note(conn, "signed-in", actor=name, subject=name, detail=how, address=address)
    forget(conn)
    return secret


def open_one(conn: Connection, secret: str) -> Guest | None:
    """Give who has this session, if it counts now."""
    c, now = web_session.c, func.clock_timestamp()
    wanted = (
        select(
            c.id, c.name, func.coalesce(person.c.display, c.display).label("display"), c.source, c.how, c.expires_at,
            func.coalesce(person.c.roles, c.roles).label("roles"), (c.seen_at < now - SEEN).label("stale"),
        )
        .select_from(web_session.outerjoin(person, (person.c.name == c.name) & (c.source == LOCAL)))
        .where(c.digest == digest(secret), c.revoked_at.is_(None), c.expires_at > now)
        .where((c.source != LOCAL) | (person.c.name.is_not(None) & person.c.disabled_at.is_(None)))
    )  # fmt: skip
    row = conn.execute(wanted).first()
    return None if row is None else Guest(**{**row._mapping, "roles": known(row.roles)})


def seen(conn: Connection, number: int) -> None:
    """Note that a session is in use."""
    conn.execute(update(web_session).where(web_session.c.id == number).values(seen_at=func.clock_timestamp()))


def sessions(conn: Connection, owner: tuple[str, str]) -> tuple[SessionRow, ...]:
    """List the open sessions of a (source, name), the latest first."""
    c = web_session.c
    mine = (c.source == owner[0]) & (c.name == owner[1]) & c.revoked_at.is_(None)
    wanted = select(c.id, c.how, c.browser, c.created_at, c.seen_at, c.expires_at).where(
        mine, c.expires_at > func.clock_timestamp()
    )
    return tuple(SessionRow(**row._mapping) for row in conn.execute(wanted.order_by(c.id.desc()).limit(100)))


def end(conn: Connection, number: int, owner: tuple[str, str], *, address: str = "") -> None:
    """End a session of a (source, name). Raises `NotFoundError`."""
    c = web_session.c
    mine: Any = (c.id == min(number, LARGEST)) & (c.source == owner[0]) & (c.name == owner[1]) & c.revoked_at.is_(None)
    ended = update(web_session).where(mine).values(revoked_at=func.clock_timestamp())
    if conn.execute(ended.returning(c.id)).first() is None:
        raise NotFoundError("that session has ended already")
    note(conn, "signed-out", actor=owner[1], subject=owner[1], address=address)
