"""The parts of a rendered page, each by itself, so that only those that differ are sent again.

A part may hold parts, one level deep: a run's cells come in bunches. What surrounds those counts as the outer part.
"""

import hashlib
import re
from typing import NamedTuple

OPENED = re.compile(r'<(\w+)(?=[^>]*\sdata-part\b)(?=[^>]*\sid="([^"]+)")[^>]*>')


class Piece(NamedTuple):
    """A part: a short sum of it without the parts in it, its markup with them, and the part that it is in."""

    summed: str
    markup: str
    within: str = ""


Pieces = dict[str, Piece]
"""By the id of a part, the outer ones before those in them."""


def pieces(markup: str) -> Pieces:
    """Take a rendered page's parts apart."""
    found: Pieces = {}
    for name, part, opening in _parts(markup, 0):
        inner = _parts(part, opening)
        rest = part
        for each, its, _ in inner:
            rest = rest.replace(its, each, 1)
        found[name] = Piece(_sum(rest), part)
        found.update((each, Piece(_sum(its), its, name)) for each, its, _ in inner)
    return found


def written(found: Pieces) -> str:
    """Write which parts there are, for who shall say later what they have."""
    return " ".join(f"{name}={piece.summed}" for name, piece in found.items())


def differing(found: Pieces, had: str) -> str | None:
    """Give the markup of the parts that differ from those that somebody has; none where they have others altogether."""
    known = dict(each.split("=", 1) for each in had.split() if "=" in each)
    outer = [name for name, piece in found.items() if not piece.within]
    if not outer or not known.keys() >= set(outer):
        return None
    new = {name for name, piece in found.items() if known.get(name) != piece.summed}
    return "".join(piece.markup for name, piece in found.items() if name in new and piece.within not in new)


def _parts(markup: str, at: int) -> list[tuple[str, str, int]]:
    """Find the outermost parts from a place on: the id, the markup, and how long the opening tag is."""
    found = []
    while opened := OPENED.search(markup, at):
        at = _end(markup, opened)
        found.append((opened[2], markup[opened.start() : at], opened.end() - opened.start()))
    return found


def _end(markup: str, opened: re.Match[str]) -> int:
    """Find where an element ends: elements of the same name within it open and close before."""
    depth = 1
    for tag in re.compile(rf"<(/?){opened[1]}\b[^>]*>").finditer(markup, opened.end()):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return tag.end()
    return len(markup)


def _sum(markup: str) -> str:
    return hashlib.blake2s(markup.encode(), digest_size=6).hexdigest()
