"""Counts as compact bars: segments in hundredths of the whole, each with the class of its colour."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEVELS = 5
TROUBLE = ("failed", "held", "abandoned")
SEEN = (*TROUBLE, "missing")
NARROWEST = 4.0


class Segment(NamedTuple):
    """A part of a bar: where it begins and how wide it is (of 100), and its colour's name."""

    x: float
    width: float
    colour: str


def level(state: str, states: Sequence[str]) -> str:
    """Give the colour of a state by how far it is on its way: `l0` for the first, up to `l4`."""
    if state not in states or len(states) < 2:
        return "l0"
    return f"l{states.index(state) * (LEVELS - 1) // (len(states) - 1)}"


def colour(state: str, phase: str, states: Sequence[str]) -> str:
    """Give the colour of an item: its trouble, `done`, or the level of its state."""
    return phase if phase in (*TROUBLE, "done") else level(state, states)


def shades(states: Sequence[str]) -> dict[str, str]:
    """Give each state's colour for the legend; the last one is `done`."""
    return {state: level(state, states) for state in states[:-1]} | dict.fromkeys(states[-1:], "done")


def reached(counts: Mapping[str, int], states: Sequence[str]) -> dict[str, int]:
    """Give how many files have reached each state, or gone beyond it, from how many are in each now."""
    found: dict[str, int] = {}
    total = 0
    for state in reversed(states):
        total += int(counts.get(state, 0))
        found[state] = total
    return found


def bar(parts: Mapping[str, int]) -> tuple[Segment, ...]:
    """Lay counts by colour end to end. What is in trouble is never too narrow to be seen."""
    whole = sum(parts.values()) or 1
    shares = {shade: 100 * n / whole for shade, n in parts.items() if n}
    widths = {shade: max(share, NARROWEST) if shade in SEEN else share for shade, share in shares.items()}
    scale = 100 / (sum(widths.values()) or 1)
    segments: list[Segment] = []
    x = 0.0
    for shade, width in widths.items():
        segments.append(Segment(round(x, 2), round(width * scale, 2), shade))
        x += width * scale
    return tuple(segments)


def files_bar(
    files: Mapping[str, Mapping[str, int]], states: Sequence[str], absent: Mapping[str, int]
) -> tuple[Segment, ...]:
    """Lay a run's files out: the furthest first, then what is in trouble, then what is `absent`, by why."""
    parts: dict[str, int] = {}
    for state in reversed(states):
        for phase, n in files.get(state, {}).items():
            shade = colour(state, phase, states)
            parts[shade] = parts.get(shade, 0) + int(n)
    moving = {shade: n for shade, n in parts.items() if shade not in TROUBLE}
    troubled = {shade: parts[shade] for shade in TROUBLE if shade in parts}
    return bar({**moving, **troubled, **absent})
