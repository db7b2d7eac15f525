"""What a raw file was announced to hold: a result made from other content fails, before anything of it is accepted.

It is decided before the items move, as in `share`: the sum that was announced against the one that the step found.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from .core import execute
from .fold import Said

CODE = "checksum-differs"


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
        f"the announcement is wrong, mend it, then: headframe requeue {what} --reason ..."
    )
    outcome = msgspec.structs.replace(
        entry.outcome, trigger="fail", permanent=True, skipped=False, reason_code=CODE, reason=reason
    )
    return Said(outcome=outcome, reporter=entry.reporter)
