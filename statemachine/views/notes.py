"""What people wrote about a run, newest first."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from ..schema import file, note, run
from .fields import View
from .paging import Listed, Page, key, listed, size


class NoteRow(View):
    """A note about a run, or about the one of its files that is named."""

    id: int
    at: datetime
    run: int
    file: str
    author: str
    kind: str
    text: str


def notes(conn: Connection, number: int, page: Page | None = None) -> Listed[NoteRow]:
    """List the notes about a run and its files."""
    page = page or Page()
    wanted = _selected().where(run.c.number == number).order_by(note.c.id.desc()).limit(size(page))
    after = key(page, int)
    if after is not None:
        wanted = wanted.where(note.c.id < after[0])
    return listed(conn.execute(wanted).all(), page, _made, "id")


def note_of(conn: Connection, number: int) -> NoteRow | None:
    """Give one note by its own number."""
    row = conn.execute(_selected().where(note.c.id == number)).first()
    return None if row is None else _made(row)


def _selected() -> Select[Any]:
    tables = note.join(run, run.c.id == note.c.run_id).outerjoin(file, file.c.id == note.c.file_id)
    plain = (note.c[name] for name in ("id", "at", "author", "kind", "text"))
    return select(*plain, run.c.number.label("run"), file.c.name.label("file")).select_from(tables)


def _made(row: Any) -> NoteRow:
    return NoteRow(**{**row._mapping, "file": row.file or ""})
