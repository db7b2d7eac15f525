"""What is written down of sign-ins, roles and tokens: names and addresses, never a secret."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, text, tuple_

from ...records import Record
from ...schema import access_event, web_session
from ...views.fields import View
from ...views.paging import Listed, Page, key, listed, size

KEPT = text("interval '1 year'")
REFUSED = "refused"
LATELY_S = 60
MOST_REFUSED = 1000
SESSIONS_KEPT = text("interval '7 days'")


class AccessEvent(View):
    """Something that was done about access: by whom, what, to whom or what, from which address."""

    id: int
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


class EventFilter(Record):
    """Which events: by whom, which, about whom, from `since` on and before `until`."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def events(conn: Connection, most: int = 100) -> tuple[AccessEvent, ...]:
    """List what happened, the latest first."""
    return listed_events(conn, EventFilter(), Page(limit=most)).rows


def listed_events(conn: Connection, where: EventFilter, page: Page) -> Listed[AccessEvent]:
    """List what happened and fits, the latest first."""
    c = access_event.c
    wanted = select(*(c[name] for name in AccessEvent.__struct_fields__)).order_by(c.at.desc(), c.id.desc())
    for name in ("actor", "action", "subject"):
        if (value := getattr(where, name)) is not None:
            wanted = wanted.where(c[name] == value)
    if where.since is not None:
        wanted = wanted.where(c.at >= where.since)
    if where.until is not None:
        wanted = wanted.where(c.at < where.until)
    if (after := key(page, datetime, int)) is not None:
        wanted = wanted.where(tuple_(c.at, c.id) < tuple_(*after), c.at <= after[0])
    rows = conn.execute(wanted.limit(size(page))).all()
    return listed(rows, page, lambda row: AccessEvent(**row._mapping), "at", "id")


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
