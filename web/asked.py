"""What a request asks for, read from its address and checked; what makes no sense is a 400 with one clear line."""

import re

from flask import request
from werkzeug.exceptions import BadRequest

from ..statemachine.views import Page

MOST_NUMBERS = 10_000
LARGEST = 2**63 - 1
LONGEST = 500
UNFIT = "this is too long, or holds a character that nothing can hold"


def word(name: str) -> str | None:
    """Give a filter's value, none where it is empty. Raises `BadRequest` for one that no record can hold."""
    return storable(name, request.args.get(name, "").strip()) or None


def fits(value: str, most: int = LONGEST) -> bool:
    """Say whether a record can hold a value."""
    return len(value) <= most and "\0" not in value


def storable(name: str, value: str, most: int = LONGEST) -> str:
    """Give a value back. Raises `BadRequest` naming it where no record can hold it."""
    if not fits(value, most):
        raise BadRequest(f"{name}: {UNFIT}.")
    return value


def whole(written: str, most: int = LARGEST) -> int | None:
    """Read a whole number that is not negative; none where it is not one, or a larger one than `most`."""
    if not re.fullmatch(r"[0-9]{1,19}", written) or int(written) > most:
        return None
    return int(written)


def page(limit: int) -> Page:
    """Give the part of the list that is asked for."""
    return Page(limit=limit, after=word("after") or "")


def numbers(name: str) -> tuple[int, ...]:
    """Read run numbers from an address: `1201 1203, 1210-1215`. Raises `BadRequest` naming what is wrong."""
    return numbers_in(request.args.get(name, ""))


def numbers_in(written: str) -> tuple[int, ...]:
    """Read run numbers: `1201 1203, 1210-1215`. Raises `BadRequest` naming what is wrong."""
    found: list[int] = []
    for part in re.split(r"[\s,;]+", written.strip()) if written.strip() else ():
        found += _span(part) if part else ()
        if len(found) > MOST_NUMBERS:
            raise BadRequest(f"More than {MOST_NUMBERS:,} run numbers at once; please ask for fewer.")
    return tuple(dict.fromkeys(found))


def _span(part: str) -> range:
    match = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part)
    if match is None:
        raise BadRequest(f"“{part[:40]}” is no run number; write numbers or ranges, such as 1201 1203-1210.")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise BadRequest(f"The range {part} runs backwards.")
    return range(first, min(last, first + MOST_NUMBERS) + 1)
