"""What people write about runs and files. Never changed and never dropped: a note is corrected by another one."""

from sqlalchemy import Connection

from .core import execute
from .errors import NotFoundError, RefusedError
from .operating import find_file
from .runs import locked

LONGEST = 10_000
"""Characters of a note."""


def write(
    connection: Connection, number: int, text: str, author: str, *, kind: str = "note", file: str | None = None
) -> int:
    """Write a note about a run, or about one of its files; give the note's number.

    Raises `RefusedError` for one that is empty or too long, `NotFoundError` where there is no such run or file.
    """
    text = text.strip()
    if not text:
        raise RefusedError("a note must say something")
    if len(text) > LONGEST:
        raise RefusedError(f"a note has {LONGEST:,} characters at most, this one has {len(text):,}")
    run = locked(connection, number)
    about = None if file is None else _file_of(connection, number, file)
    values = {"run": run.id, "file": about, "author": author, "kind": kind, "text": text}
    return int(execute(connection, "insert_note", **values)[0].id)


def _file_of(connection: Connection, number: int, name: str) -> int:
    """Find a file of the run by any of its names, or by its sequence number alone."""
    try:
        return find_file(connection, name, (number,))
    except NotFoundError:
        return find_file(connection, f"{number}/{name}", (number,))
