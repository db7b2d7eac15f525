"""What a raw file was announced to hold: a result made from other content fails, before anything of it is accepted.

It is decided before the items move, as in `share`: the sum that was announced against the one that the step found.
Where the announcement was wrong and is corrected, what failed for it is tried again by itself.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from ..lifecycle import Phase, Trigger, sources
from ..records import RunInfo
from .core import execute, ready_of
from .fold import Said
from .gather import rewind
from .quiet import quietly

CODE = "checksum-differs"
CORRECTED = "announcement-corrected"


def other_content(connection: Connection, said: Sequence[Said]) -> tuple[list[Said], list[Said]]:
    """Split results into those of the announced content and those of another, which become failures for good."""
    read = [entry.outcome.item for entry in said if entry.outcome.raw is not None]
    found = execute(connection, "announced_sums", ids=read) if read else []
    announced = {row.item: row for row in found}
    sound: list[Said] = []
    other: list[Said] = []
    for entry in said:
        row, raw = announced.get(entry.outcome.item), entry.outcome.raw
        if row is None or raw is None or same_sum(row.expected_adler32, raw.adler32):
            sound.append(entry)
        else:
            other.append(_failed(entry, row.name, row.number, raw.adler32, row.expected_adler32))
    return sound, other


def items_announced(connection: Connection, said: Iterable[RunInfo]) -> list[int]:
    """Give the items of files of which another sum is announced now.

    For locking: so a result is judged by the new sum, or its item is seen to have failed by the old one.
    """
    rows = [{"run": info.run, "name": f.name, "adler32": f.adler32} for info in said for f in info.files if f.adler32]
    return [row.id for row in execute(connection, "items_announced", rows)]


def try_again(connection: Connection, run_id: int, announced: Iterable[Row[Any]], source: str) -> int:
    """Failed -> ready: files that were not what had been announced, now that another sum is. Give how many items.

    `announced` are rows of `announce_again`. The caller holds the run, then the items; the run is gathered after.
    """
    sums = {row.id: row.expected_adler32 for row in announced if not same_sum(row.before or "", row.expected_adler32)}
    failed = execute(connection, "failed_of_files", files=list(sums), reason_code=CODE) if sums else []
    rows = execute(
        connection,
        "operate",
        [{"item": row.item, "version": row.version} for row in failed],
        sources=list(sources(Trigger.RESOLVE)),
        target=str(Phase.READY),
        trigger=str(Trigger.RESOLVE),
        actor="conductor",
        lane=None,
        reason_code=CORRECTED,
        reason=f"{source} announces another checksum of it now",
    )
    if rows:
        rewind(connection, {run_id})
        quietly(connection, ready_of(rows))
    return len(rows)


def same_sum(announced: str, found: str) -> bool:
    """Compare two adler32 as numbers: others write them in capitals, with 0x, or without leading zeros."""
    try:
        return int(announced, 16) == int(found, 16)
    except ValueError:
        return False


def _failed(entry: Said, name: str, run: int, found: str, announced: str) -> Said:
    """Make the failure of a result. It keeps the places that it wrote to, so that they can be removed."""
    what = f"--run {run} --file {name}"
    reason = (
        f"{name} has adler32 {found}, run {run} announced {announced}; nothing made from it was accepted. If the file "
        f"is wrong, have it written again, then: headframe reset {what} --to arrived --new-content --reason ...; if "
        f"the announcement is wrong, mend it: then it is tried again by itself"
    )
    outcome = msgspec.structs.replace(
        entry.outcome, trigger="fail", permanent=True, skipped=False, reason_code=CODE, reason=reason
    )
    return Said(outcome=outcome, reporter=entry.reporter)
