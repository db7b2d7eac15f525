"""Dead letters: messages and arrivals that could not be used, with the reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, tuple_

from ..schema import dead_letter
from .fields import View
from .paging import Listed, Page, key, listed, size


class DeadLetterRow(View):
    """Something unusable: a code, a sentence, what it was about and how often it came."""

    id: int
    queue: str
    code: str
    sentence: str
    subject: str
    run_number: int | None
    payload: str
    count: int
    first_at: datetime
    last_at: datetime
    replayed_at: datetime | None
    replayed_by: str
    cleared_at: datetime | None
    body_size: int = 0
    headers: dict[str, str] = {}
    replayable: bool = False
    asked_at: datetime | None = None
    asked_by: str = ""
    asked_reason: str = ""
    replays: int = 0
    replay_error: str = ""
    cleared_by: str = ""
    cleared_reason: str = ""

    @property
    def standing(self) -> str:
        """Say in a word where it stands: `open`, `asked` for, `replayed`, `stuck`, `cleared`."""
        if self.asked_at is not None:
            return "asked"
        if self.replay_error:
            return "stuck"
        if self.cleared_at is not None:
            return "replayed" if self.replayed_at == self.cleared_at else "cleared"
        return "open"


SEEN = [column for column in dead_letter.c if column.name in DeadLetterRow.__struct_fields__]
"""What lists show: not the bodies, which may be large."""
LAST = (dead_letter.c.last_at, dead_letter.c.id)


MOST_ABOUT = 20
"""So many letters about one run or file are read at most."""


def dead_letters(
    conn: Connection,
    page: Page | None = None,
    *,
    run: int | None = None,
    code: str | None = None,
    queue: str | None = None,
    subject: str | None = None,
    every: bool = False,
    falling: bool = True,
) -> Listed[DeadLetterRow]:
    """List dead letters, the latest first or (not `falling`) the oldest; those cleared only with `every`."""
    page = page or Page()
    wanted = select(*SEEN)
    if run is not None:
        wanted = wanted.where(dead_letter.c.run_number == run)
    if code is not None:
        wanted = wanted.where(dead_letter.c.code == code)
    if queue is not None:
        wanted = wanted.where(dead_letter.c.queue == queue)
    if subject is not None:
        wanted = wanted.where(dead_letter.c.subject == subject)
    if not every:
        wanted = wanted.where(dead_letter.c.cleared_at.is_(None))
    after = key(page, datetime, int)
    if after is not None:
        keys = tuple_(*LAST)
        wanted = wanted.where(keys < tuple_(*after) if falling else keys > tuple_(*after))
    ordered = wanted.order_by(*(column.desc() if falling else column for column in LAST)).limit(size(page))
    return listed(conn.execute(ordered).all(), page, _made, "last_at", "id")


def dead_letter_of(conn: Connection, number: int) -> DeadLetterRow | None:
    """Give one dead letter, cleared or not."""
    row = conn.execute(select(*SEEN).where(dead_letter.c.id == number)).one_or_none()
    return _made(row) if row is not None else None


def dead_letter_body(conn: Connection, number: int) -> bytes:
    """Give the message itself, as much of it as was kept; nothing where there is none."""
    return bytes(conn.execute(select(dead_letter.c.body).where(dead_letter.c.id == number)).scalar() or b"")


def dead_letters_about(
    conn: Connection, *, run: int | None = None, subjects: Sequence[str] = (), most: int = MOST_ABOUT
) -> tuple[DeadLetterRow, ...]:
    """Give the latest uncleared dead letters that concern a run or one of these subjects."""
    about: list[ColumnElement[bool]] = [dead_letter.c.subject.in_(subjects)]
    if run is not None:
        about.append(dead_letter.c.run_number == run)
    wanted = select(*SEEN).where(or_(*about), dead_letter.c.cleared_at.is_(None))
    return tuple(_made(row) for row in conn.execute(wanted.order_by(dead_letter.c.last_at.desc()).limit(most)))


class CodeRow(View):
    """So many open dead letters with a code; at most `COUNTED` are counted in all, the latest ones."""

    code: str
    n: int


COUNTED = 10_000


def dead_letter_codes(conn: Connection) -> tuple[CodeRow, ...]:
    """Count the open dead letters by code, the most frequent first."""
    latest = (
        select(dead_letter.c.code)
        .where(dead_letter.c.cleared_at.is_(None))
        .order_by(dead_letter.c.last_at.desc(), dead_letter.c.id.desc())
        .limit(COUNTED)
        .subquery("latest")
    )
    n = func.count().label("n")
    rows = conn.execute(select(latest.c.code, n).group_by(latest.c.code).order_by(n.desc(), latest.c.code))
    return tuple(CodeRow(**row._mapping) for row in rows)


def _made(row: Any) -> DeadLetterRow:
    found = row._mapping
    return DeadLetterRow(**{name: found[name] for name in DeadLetterRow.__struct_fields__})
