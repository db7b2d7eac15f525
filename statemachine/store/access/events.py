"""What is written down of sign-ins, roles and tokens: names and addresses, never a secret."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, text

from ...schema import access_event, web_session
from ...views.fields import View

KEPT = text("interval '1 year'")
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


def forget(conn: Connection) -> None:
    """Drop what nobody will ask for any more: sessions a week after their end, events after a year."""
    now = func.clock_timestamp()
    conn.execute(delete(web_session).where(web_session.c.expires_at < now - SESSIONS_KEPT))
    conn.execute(delete(access_event).where(access_event.c.at < now - KEPT))
