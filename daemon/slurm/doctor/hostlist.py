"""Lists of hosts as SLURM writes them: `nid[001-003,007],login1`."""

import re
from collections.abc import Iterator
from itertools import product

PART = re.compile(r"[^,\[]*(?:\[[^\]]*\][^,\[]*)*")
MOST = 200_000


def expand(text: str) -> list[str]:
    """Give the names of a list of hosts; what is none stays as it is."""
    found: list[str] = []
    for part in PART.findall(text):
        if part:
            found += _expanded(part)
        if len(found) > MOST:
            break
    return found


def _expanded(part: str) -> list[str]:
    pieces = re.split(r"\[([^\]]*)\]", part)
    choices = [[piece] if index % 2 == 0 else list(_numbers(piece)) for index, piece in enumerate(pieces)]
    return ["".join(each) for each in product(*choices)]


def _numbers(text: str) -> Iterator[str]:
    for each in text.split(","):
        first, dash, last = each.partition("-")
        if dash and first.isdigit() and last.isdigit() and int(last) - int(first) < MOST:
            yield from (str(n).zfill(len(first)) for n in range(int(first), int(last) + 1))
        else:
            yield each
