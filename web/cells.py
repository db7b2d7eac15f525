"""One small cell a file, in the order of sequence numbers, the missing ones where they should be."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from markupsafe import Markup, escape

from ..statemachine.views import CellRow, Gaps
from .bars import colour

MOST = 1200
BUNCH = 100

SAID = {"untried": "not yet tried", "again": "to be tried again", "skipped": "skipped"}


class Cell(NamedTuple):
    """A cell: which file it leads to (none for a missing one), its classes, what it says, and its item's number."""

    file: int | None
    classes: str
    label: str
    item: int = 0


def cells(
    rows: Sequence[CellRow], gaps: Gaps, states: Sequence[str], *, first: bool, last: bool, absent: str
) -> list[Cell]:
    """Merge a page of files, in sequence order, with what has not come there.

    `first` and `last` say which end of the run the page holds; what has not come beyond an end belongs to it.
    `absent` is `missing`, or `coming` while the detector still writes.
    """
    shade = cache(lambda state, phase, kind: _shade(state, phase, kind, states))
    placed = [(row.sequence or 0, _present(row, shade(row.state, row.phase, row.kind))) for row in rows]
    low = None if first or not placed else placed[0][0]
    high = None if last or not placed else placed[-1][0]
    room = max(0, MOST - len(placed)) if last else MOST
    for at, cell in _absent(gaps, low, high, absent):
        if room == 0:
            break
        placed.append((at, cell))
        room -= 1
    return [cell for _, cell in sorted(placed, key=lambda pair: pair[0])]


def drawn(shown: Iterable[Cell], base: str) -> Markup:
    """Write cells as HTML, links to `base` and the file's number; only the first is a tab stop, the arrows do the rest.

    Made here and not in the template, which takes several times as long for a thousand of them.
    """
    tab = ""
    parts: list[str] = []
    for file, classes, label, item in shown:
        said = escape(label)
        if file is None:
            parts.append(f'<span class="{classes}" role="img" aria-label="{said}"></span>')
        else:
            parts.append(f'<a class="{classes}" href="{base}{file}" data-item="{item}"{tab} aria-label="{said}"></a>')
            tab = ' tabindex="-1"'
    return Markup("\n".join(parts))  # noqa: S704 (labels are escaped above, the rest is our own)  # nosec B704


def bunched(lines: Markup) -> Markup:
    """Put drawn cells into parts of a hundred: where one changes, only its bunch is sent again."""
    every = lines.split("\n") if lines else []
    bunches = (every[at : at + BUNCH] for at in range(0, len(every), BUNCH))
    parts = (
        f'<div data-part class="bunch" id="cells-{n}">' + "\n".join(each) + "</div>" for n, each in enumerate(bunches)
    )
    return Markup("\n".join(parts))  # noqa: S704 (it was markup before)  # nosec B704


def _shade(state: str, phase: str, kind: str, states: Sequence[str]) -> str:
    moving = f" {phase}" if phase in ("submitted", "executing") else ""
    return f"cell {colour(state, phase, states)}{moving}{f' {kind}' if kind else ''}"


def _present(row: CellRow, classes: str) -> Cell:
    number = row.name if row.sequence is None else str(row.sequence)
    kind = f", {SAID[row.kind]}" if row.kind else ""
    why = f": {row.reason_code}" if row.reason_code else ""
    return Cell(row.file, classes, f"{number}: {row.state}, {row.phase}{kind}{why}", row.item)


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
