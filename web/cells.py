"""One small cell a file, in the order of sequence numbers, the missing ones where they should be."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..statemachine.views import Gaps, Mark
from .bars import colour

MOST = 1200


class Cell(NamedTuple):
    """A cell: which file it leads to (none for a missing one), its classes, and what it says."""

    file: int | None
    classes: str
    label: str


def cells(
    rows: Sequence[Mark], gaps: Gaps, states: Sequence[str], *, first: bool, last: bool, absent: str
) -> list[Cell]:
    """Merge a page of files, in sequence order, with what has not come there.

    `first` and `last` say which end of the run the page holds; what has not come beyond an end belongs to it.
    `absent` is `missing`, or `coming` while the detector still writes.
    """
    placed = [(row.sequence or 0, _present(row, states)) for row in rows]
    low = None if first or not placed else placed[0][0]
    high = None if last or not placed else placed[-1][0]
    room = max(0, MOST - len(placed)) if last else MOST
    for at, cell in _absent(gaps, low, high, absent):
        if room == 0:
            break
        placed.append((at, cell))
        room -= 1
    return [cell for _, cell in sorted(placed, key=lambda pair: pair[0])]


def _present(row: Mark, states: Sequence[str]) -> Cell:
    shade = colour(row.state, row.phase, states)
    moving = f" {row.phase}" if row.phase in ("submitted", "executing") else ""
    number = row.name if row.sequence is None else str(row.sequence)
    why = f": {row.reason_code}" if row.reason_code else ""
    return Cell(row.file, f"cell {shade}{moving}", f"{number}: {row.state}, {row.phase}{why}")


def _absent(gaps: Gaps, low: int | None, high: int | None, absent: str) -> Iterator[tuple[int, Cell]]:
    waived = {each.sequence: each for each in gaps.files if each.waived and each.sequence is not None}
    spans = (at for each in gaps.ranges for at in _within(each.first, each.last, low, high))
    named = (each.sequence for each in gaps.files if each.sequence is not None and not gaps.ranges)
    said = "to come" if absent == "coming" else "missing"
    for at in _unique(spans, waived, named):
        if (low is None or at >= low) and (high is None or at <= high):
            if at in waived:
                yield at, Cell(None, "cell waived", f"{at}: declared missing: {waived[at].waived_reason}")
            else:
                yield at, Cell(None, f"cell {absent}", f"{at}: {said}")


def _within(first: int, last: int, low: int | None, high: int | None) -> range:
    start = first if low is None else max(first, low)
    end = last if high is None else min(last, high)
    return range(start, min(end, start + MOST) + 1)


def _unique(*several: Iterable[int]) -> Iterator[int]:
    return iter(dict.fromkeys(number for numbers in several for number in numbers))
