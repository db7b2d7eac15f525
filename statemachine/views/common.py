"""What failures have in common that successes do not: a host, a site, a worker, a version."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ..records import Record
from .fields import View

FEWEST = 3
MOST_OF_THEM = 0.6
MORE_THAN_OTHERS = 0.3
"""Something is common to failures if most of them have it, and by so much a larger share than of successes."""


class Trait(Record):
    """Where and with what one attempt ran; empty what nobody knows."""

    host: str = ""
    site: str = ""
    worker: str = ""
    software: str = ""


class Common(View):
    """Something that `n` of `of` failures have, and `share` of the successes of the same step (0 to 1)."""

    what: str
    value: str
    n: int
    of: int
    share: float
    sentence: str


def common(failures: Sequence[Trait], successes: Sequence[Trait]) -> tuple[Common, ...]:
    """Give what most of these failures have and few of the successes, the most telling first."""
    found = [each for what in Trait.__struct_fields__ if (each := _common(what, failures, successes)) is not None]
    return tuple(sorted(found, key=lambda each: each.share - each.n / each.of))


def _common(what: str, failures: Sequence[Trait], successes: Sequence[Trait]) -> Common | None:
    failed, worked = _values(what, failures), _values(what, successes)
    total, others = failed.total(), worked.total()
    if total < FEWEST:
        return None
    value, n = failed.most_common(1)[0]
    share = worked[value] / others if others else 0.0
    if n / total < MOST_OF_THEM or n / total - share < MORE_THAN_OTHERS or not others:
        return None
    at = "at" if what == "site" else "on" if what == "host" else "with"
    sentence = f"{n} of {total} {at} {what} {value}, where {_per_cent(share)} of successes ran"
    return Common(what=what, value=value, n=n, of=total, share=share, sentence=sentence)


def _values(what: str, attempts: Iterable[Trait]) -> Counter[str]:
    return Counter(value for each in attempts if (value := getattr(each, what)))


def _per_cent(share: float) -> str:
    return "none" if not share else "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"
