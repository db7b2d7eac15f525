"""Dead letters: bad input written down once, counted when it comes again, shown and replayable."""

from collections.abc import Iterable
from typing import Any

from blake3 import blake3
from sqlalchemy import Connection

from ..records import Trouble
from .core import execute

LONGEST = 10_000


def bury(connection: Connection, troubles: Iterable[Trouble], queue: str = "arrivals") -> None:
    """Write troubles down. The same trouble with the same subject counts up instead of repeating itself."""
    rows: dict[str, dict[str, Any]] = {}
    for trouble in troubles:
        mark = blake3("\0".join((queue, trouble.code, trouble.subject)).encode(errors="backslashreplace"))
        rows[mark.hexdigest(16)] = {
            "fingerprint": mark.hexdigest(16),
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


def clean(words: str) -> str:
    """Make text storable and printable: PostgreSQL refuses NUL, UTF-8 refuses lone surrogates."""
    return words.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
