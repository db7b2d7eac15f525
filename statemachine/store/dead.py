"""Dead letters: bad input written down once, counted when it comes again, shown and replayable."""

from collections.abc import Iterable
from typing import Any

from blake3 import blake3
from sqlalchemy import Connection, text

from ..records import Trouble
from .core import execute

LONGEST = 10_000
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
            "code": trouble.code,
            "sentence": clean(trouble.sentence),
            "subject": clean(trouble.subject),
            "run_number": trouble.run if trouble.run is not None and trouble.run < 2**63 else None,
            "payload": clean(trouble.payload)[:LONGEST],
            "size": trouble.size,
            "mtime_ns": trouble.mtime_ns,
        }
    execute(connection, "insert_dead", rows.values())
    if mended:
        connection.execute(CLEAR, {"marks": sorted(mended)})


def clean(words: str) -> str:
    """Make text storable and printable: PostgreSQL refuses NUL, UTF-8 refuses lone surrogates."""
    return words.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
