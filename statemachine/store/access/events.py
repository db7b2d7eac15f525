"""What is written down of sign-ins, roles and tokens: names and addresses, never a secret."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, text

from ...schema import access_event, web_session
from ...views.fields import View

KEPT = text("interval '1 year'")
REFUSED = "refused"
LATELY_S = 60
MOST_REFUSED = 1000
SESSIONS_KEPT = text("interval '7 days'")


class AccessEvent(View):
    """Something that was done about access: by whom, what, to whom or what, from which address."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: str
    address: str


def note(conn: Connection, action: str, *, actor: str, subject: str = "", detail: str = "", address: str = "") -> None:
    """Write down what happened."""
    values = {"actor": actor[:200], "subject": subject[:200], "detail": detail[:500], "address": address[:100]}
    conn.execute(insert(access_event).values(action=action, **values))


def events(conn: Connection, most: int = 100) -> tuple[AccessEvent, ...]:
    """List what happened, the latest first."""
    c = access_event.c
    wanted = select(c.at, c.actor, c.action, c.subject, c.detail, c.address).order_by(c.id.desc()).limit(most)
    return tuple(AccessEvent(**row._mapping) for row in conn.execute(wanted))


class Refusal(View):
    """A wrong password: for which name, where one was said that could be one, and from which address."""

    subject: str
    address: str


def refused_lately(conn: Connection) -> tuple[Refusal, ...]:
    """List the wrong passwords of the last minute, the latest thousand of them."""
    c = access_event.c
    since = func.clock_timestamp() - timedelta(seconds=LATELY_S)
    wanted = select(c.subject, c.address).where(c.at > since, c.action == REFUSED)
    return tuple(Refusal(**row._mapping) for row in conn.execute(wanted.order_by(c.at.desc()).limit(MOST_REFUSED)))


def forget(conn: Connection) -> None:
    """Drop what nobody will ask for any more: sessions a week after their end, events after a year."""
    now = func.clock_timestamp()
    conn.execute(delete(web_session).where(web_session.c.expires_at < now - SESSIONS_KEPT))
    conn.execute(delete(access_event).where(access_event.c.at < now - KEPT))
