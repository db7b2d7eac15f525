"""The parts of a rendered page, each by itself, so that only those that differ are sent again."""

import hashlib
import re

OPENED = re.compile(r'<(\w+)(?=[^>]*\sdata-part\b)(?=[^>]*\sid="([^"]+)")[^>]*>')
Pieces = dict[str, tuple[str, str]]
"""By the id of a part: a short sum of it, and its markup."""


def pieces(markup: str) -> Pieces:
    """Take a rendered page's parts apart. A part within another one belongs to that."""
    found: Pieces = {}
    at = 0
    while opened := OPENED.search(markup, at):
        at = _end(markup, opened)
        part = markup[opened.start() : at]
        found[opened[2]] = (hashlib.blake2s(part.encode(), digest_size=6).hexdigest(), part)
    return found


def written(found: Pieces) -> str:
    """Write which parts there are, for who shall say later what they have."""
    return " ".join(f"{name}={summed}" for name, (summed, _) in found.items())


def differing(found: Pieces, had: str) -> str | None:
    """Give the markup of the parts that differ from those that somebody has; none where they have others altogether."""
    known = dict(each.split("=", 1) for each in had.split() if "=" in each)
    if not found or known.keys() != found.keys():
        return None
    return "".join(part for name, (summed, part) in found.items() if known[name] != summed)


def _end(markup: str, opened: re.Match[str]) -> int:
    """Find where an element ends: elements of the same name within it open and close before."""
    depth = 1
    for tag in re.compile(rf"<(/?){opened[1]}\b[^>]*>").finditer(markup, opened.end()):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return tag.end()
    return len(markup)
