"""What a viewer asks to be told of: topics, as `statemachine.views.news` names them."""

import re
from collections.abc import Iterable

from ...statemachine.views.news import EVERYTHING

MOST = 20
TOPIC = re.compile(r"[a-z][a-z-]{0,30}(:\d{1,18})?", re.ASCII)


def topics(written: str) -> frozenset[str]:
    """Read `run:1201,runs`; empty: everything. Raises `ValueError` for what can be no topic."""
    found = frozenset(each.strip() for each in written.split(",") if each.strip())
    wrong = sorted(each for each in found if each != EVERYTHING and not TOPIC.fullmatch(each))
    if wrong or len(found) > MOST:
        raise ValueError(f"“{wrong[0][:40]}” is no topic" if wrong else f"more than {MOST} topics at once")
    return frozenset((EVERYTHING,)) if EVERYTHING in found or not found else found


def concerned(wanted: frozenset[str], told: Iterable[str]) -> frozenset[str]:
    """Give those of the wanted topics that news are about."""
    there = frozenset(told)
    if EVERYTHING in there or (EVERYTHING in wanted and there):
        return wanted
    return wanted & there
