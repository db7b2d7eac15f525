"""The answer to `why`."""

import shlex
from datetime import UTC, datetime
from enum import StrEnum

from ..views import View


class Who(StrEnum):
    """Who must act before it goes on."""

    NOBODY = "nobody"
    OPERATOR = "operator"
    DETECTOR = "detector"
    ADMINISTRATOR = "administrator"


class Why(View):
    """Why something is where it is. `command` unblocks it, empty where nothing is to be done.

    `code` is short and stable; a failed or held item's code is the reason code it failed or was held with.
    `next_try` is when the machine tries by itself, none where it does not. `since` when it is in this trouble: trying
    again in between, by itself or by an operator, does not begin anew. `owner` has it in hand: a worker, or who holds
    it. `check` says what looks at it by itself, `next_check` when next.
    """

    subject: str
    code: str
    sentence: str
    state: str
    phase: str
    evidence: tuple[str, ...] = ()
    since: datetime | None = None
    who: Who = Who.NOBODY
    next_try: datetime | None = None
    command: str = ""
    owner: str = ""
    check: str = ""
    next_check: datetime | None = None


def command(*words: str) -> str:
    """Write a command as one types it; it always asks for the reason."""
    return " ".join([*(shlex.quote(word) for word in ("headframe", *words)), '--reason "..."'])


def at(moment: datetime | None) -> str:
    """Write a time in evidence: UTC, to the second."""
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
