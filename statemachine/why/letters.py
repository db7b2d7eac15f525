"""Dead letters as evidence: each reason once, however often it came."""

from collections.abc import Sequence

from ..views import MOST_ABOUT, DeadLetterRow
from .answer import at


def letter_notes(letters: Sequence[DeadLetterRow]) -> tuple[str, ...]:
    """Say each code and sentence once, how often it came, first and last; in the order given.

    Where there are `MOST_ABOUT` letters there may be more, which were not read.
    """
    alike: dict[tuple[str, str], list[DeadLetterRow]] = {}
    for letter in letters:
        alike.setdefault((letter.code, letter.sentence), []).append(letter)
    return tuple(_note(each, every=len(letters) < MOST_ABOUT) for each in alike.values())


def _note(alike: Sequence[DeadLetterRow], *, every: bool) -> str:
    said = f"dead letter {alike[0].code}: {alike[0].sentence}"
    times = sum(letter.count for letter in alike)
    if times == 1:
        return said
    first, last = min(letter.first_at for letter in alike), max(letter.last_at for letter in alike)
    often = f"{times:,} times, first {at(first)}" if every else f"at least {times:,} times"
    return f"{said} ({often}, last {at(last)})"
