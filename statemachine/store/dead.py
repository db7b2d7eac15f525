"""Dead letters: bad input written down once, counted when it comes again, shown and replayable."""

from collections.abc import Iterable
from typing import Any

from blake3 import blake3
from sqlalchemy import Connection, text

from ..records import Trouble
from .core import execute

LONGEST = 10_000
LONGEST_SUBJECT = 2_500
"""The most bytes of a payload, of a sentence; of a subject, which has an index, and that takes up to 2,704."""
LARGEST = 2**63 - 1
CLEAR = text(
    "update dead_letter set cleared_at = clock_timestamp() where fingerprint = any(:marks) and cleared_at is null"
)


def bury(connection: Connection, troubles: Iterable[Trouble], queue: str = "arrivals") -> None:
    """Write troubles down. The same trouble with the same subject counts up instead of repeating itself.

    One that is mended clears its letter; of one that is said and mended in a batch the last word counts.
    """
    rows: dict[str, dict[str, Any]] = {}
    mended: set[str] = set()
    for trouble in troubles:
        mark = blake3("\0".join((queue, trouble.code, trouble.subject)).encode(errors="backslashreplace")).hexdigest(16)
        if trouble.mended:
            mended.add(mark)
            continue
        mended.discard(mark)
        rows[mark] = {
            "fingerprint": mark,
            "queue": queue,
            "code": clean(trouble.code),
            "sentence": cut(trouble.sentence, LONGEST),
            "subject": subject_of(trouble.subject),
            "run_number": trouble.run if trouble.run is not None and abs(trouble.run) <= LARGEST else None,
            "payload": cut(trouble.payload, LONGEST),
            "size": _within(trouble.size),
            "mtime_ns": _within(trouble.mtime_ns),
        }
    execute(connection, "insert_dead", rows.values())
    if mended:
        connection.execute(CLEAR, {"marks": sorted(mended)})


def subject_of(words: str) -> str:
    """Give a subject as it is stored: one that is too long is cut, and stays another one than all others."""
    if len(clean(words).encode()) <= LONGEST_SUBJECT:
        return clean(words)
    return f"{cut(words, LONGEST_SUBJECT - 20)}{blake3(words.encode(errors='backslashreplace')).hexdigest(8)}"


def cut(words: str, most: int) -> str:
    """Give text as it is stored, at most so many bytes of it."""
    body = clean(words).encode()
    return body.decode() if len(body) <= most else body[: most - 3].decode(errors="ignore") + "…"


def clean(words: str) -> str:
    """Make text storable and printable: PostgreSQL refuses NUL, UTF-8 refuses lone surrogates."""
    return words.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _within(number: int) -> int:
    return max(-LARGEST, min(LARGEST, number))
