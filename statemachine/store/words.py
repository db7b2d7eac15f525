"""What an operator says of a run, as the command line and the API say it: each gives the sentence of what it did."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from ..pipeline import Pipeline
from ..records import Record
from ..wording import plural
from . import runs
from .errors import RefusedError
from .runs import LARGEST_SEQUENCE

MOST_FILES = 100_000


class Said(Record):
    """A sentence that says what was done, and how many runs, files or items it changed."""

    sentence: str
    changed: int = 1


def close(connection: Connection, number: int, actor: str, reason: str, expected: int | None = None) -> Said:
    """Say that the detector has ended a run."""
    runs.close(connection, number, actor, reason, expected)
    return Said(sentence=f"run {number} closed")


def expect(connection: Connection, number: int, count: int, actor: str, reason: str) -> Said:
    """Correct how many files a run has."""
    runs.expect(connection, number, count, actor, reason)
    return Said(sentence=f"run {number} expects {plural(count, 'file')}")


def waive(connection: Connection, number: int, files: Sequence[str | int], actor: str, reason: str) -> Said:
    """Declare files missing: by sequence number, by a range of them, or by name."""
    wanted = spread(files)
    n = runs.waive(connection, number, wanted, actor, reason)
    names = ", ".join(str(name) for name in files)
    return Said(sentence=f"run {number}: {plural(n, 'file')} declared missing: {names}", changed=n)


def reopen(connection: Connection, number: int, actor: str, reason: str) -> Said:
    """Take a run's closing back."""
    runs.reopen(connection, number, actor, reason)
    return Said(sentence=f"run {number} reopened")


def reclassify(
    connection: Connection,
    number: int,
    kind: str,
    pipeline_for: Callable[[str], Pipeline | None],
    actor: str,
    reason: str,
    period: str = "week",
) -> Said:
    """Give a run another type; all its files start again on that type's way, in every campaign that has them."""
    done = runs.reclassify(connection, number, kind, pipeline_for, actor, reason, period=period)
    sentence = f"run {number} is of type {kind}; {plural(done.moved, 'item')} started again"
    if done.also:
        sentence += f", also in {' and '.join(done.also)}"
    if done.held:
        sentence += f"; held in {' and '.join(done.held)}, whose pipeline has no such type"
    return Said(sentence=sentence, changed=done.moved)


def spread(files: Sequence[str | int]) -> list[str | int]:
    """Give the sequence numbers of `17` or `18-20`, else the name. Raises `RefusedError` for too many."""
    found: list[str | int] = []
    for file in files:
        text = str(file)
        first, dash, last = text.partition("-")
        if _is_sequence(text):
            found.append(int(text))
        elif dash and _is_sequence(first) and _is_sequence(last) and int(first) <= int(last):
            if int(last) - int(first) + len(found) >= MOST_FILES:
                raise RefusedError(f"{text} is more than {MOST_FILES:,} files; use headframe run expect instead")
            found += range(int(first), int(last) + 1)
        else:
            found.append(text)
    return found


def _is_sequence(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= LARGEST_SEQUENCE
