"""The search box: `state:placed site:UKDC type:science run:1201-1210 missing:yes`, read into what the lists filter by.

Words without a qualifier are run numbers. A value with spaces stands in double quotes. What cannot be read is named in
one line, all of it at once.
"""

import re
from collections.abc import Iterable
from typing import Any

from werkzeug.exceptions import BadRequest

from ..statemachine.views import RunFilter
from .asked import numbers_in

WORDS = {
    "state": "state",
    "phase": "phase",
    "type": "kind",
    "site": "site",
    "campaign": "campaign",
    "quality": "quality",
    "reason": "reason_code",
    "note": "note",
}
FLAGS = ("missing", "failed", "held", "abandoned", "waived", "open", "trouble")
YES = {"yes": True, "no": False}
QUALIFIERS = (*WORDS, "run", *FLAGS)
PART = re.compile(r'\s*(?:(?P<name>[^\s:"]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]*))')
LONGEST_SEARCH = 8000


def parsed(written: str) -> RunFilter:
    """Read a search. Raises `BadRequest` naming what of it cannot be read."""
    values: dict[str, Any] = {}
    numbers: list[str] = []
    flags: dict[str, bool] = {}
    wrong: list[str] = []
    for name, value in _parts(written):
        if name in ("", "run"):
            numbers.append(value)
        elif name in WORDS and value:
            values[WORDS[name]] = value
        elif name in FLAGS and value in YES:
            flags[name] = YES[value]
        else:
            wrong.append(_said(name))
    if wrong:
        raise BadRequest(f"{'; '.join(wrong[:3])}. A search may say {', '.join(QUALIFIERS)}.")
    return RunFilter(**values, numbers=numbers_in(" ".join(numbers)), flags=tuple(sorted(flags.items())))


def written(where: RunFilter) -> str:
    """Write a search that `parsed` reads as the same."""
    parts = [_word(name, getattr(where, field)) for name, field in WORDS.items() if getattr(where, field) is not None]
    parts += [f"run:{spans(where.numbers, ',')}"] if where.numbers else []
    return " ".join(parts + [f"{name}:{'yes' if has else 'no'}" for name, has in where.flags])


def spans(numbers: Iterable[int], between: str = " ") -> str:
    """Write numbers with those that follow each other as ranges: `1201-1203 1210`."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return between.join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def _parts(text: str) -> list[tuple[str, str]]:
    if len(text) > LONGEST_SEARCH or "\0" in text:
        raise BadRequest("This search is too long, or holds a character that no name can hold.")
    found = [(match["name"] or "", match["quoted"] or match["plain"] or "") for match in PART.finditer(text)]
    return [(name, value) for name, value in found if name or value]


def _said(name: str) -> str:
    if name in FLAGS:
        return f"“{name}:” takes yes or no"
    if name in WORDS:
        return f"“{name}:” lacks its value"
    return f"“{name[:40]}:” is no qualifier"


def _word(name: str, value: str) -> str:
    return f"{name}:{value}" if re.fullmatch(r'[^\s"]+', value) else f'{name}:"{value}"'
