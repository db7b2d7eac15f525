"""Dead letters: messages and arrivals that could not be used, with the reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select, tuple_

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


def dead_letters(
    conn: Connection,
    page: Page | None = None,
    *,
    run: int | None = None,
    code: str | None = None,
    subject: str | None = None,
    every: bool = False,
) -> Listed[DeadLetterRow]:
    """List dead letters, the latest first; those cleared only with `every`."""
    page = page or Page()
    wanted = select(dead_letter)
    if run is not None:
        wanted = wanted.where(dead_letter.c.run_number == run)
    if code is not None:
        wanted = wanted.where(dead_letter.c.code == code)
    if subject is not None:
        wanted = wanted.where(dead_letter.c.subject == subject)
    if not every:
        wanted = wanted.where(dead_letter.c.cleared_at.is_(None))
    after = key(page, datetime, int)
    if after is not None:
        wanted = wanted.where(tuple_(dead_letter.c.last_at, dead_letter.c.id) < tuple_(*after))
    ordered = wanted.order_by(dead_letter.c.last_at.desc(), dead_letter.c.id.desc()).limit(size(page))
    return listed(conn.execute(ordered).all(), page, _made, "last_at", "id")


def dead_letters_about(
    conn: Connection, *, run: int | None = None, subjects: Sequence[str] = (), most: int = 20
) -> tuple[DeadLetterRow, ...]:
    """Give the latest uncleared dead letters that concern a run or one of these subjects."""
    about: list[ColumnElement[bool]] = [dead_letter.c.subject.in_(subjects)]
    if run is not None:
        about.append(dead_letter.c.run_number == run)
    wanted = select(dead_letter).where(or_(*about), dead_letter.c.cleared_at.is_(None))
    return tuple(_made(row) for row in conn.execute(wanted.order_by(dead_letter.c.last_at.desc()).limit(most)))


def _made(row: Any) -> DeadLetterRow:
    found = row._mapping
    return DeadLetterRow(**{name: found[name] for name in DeadLetterRow.__struct_fields__})
