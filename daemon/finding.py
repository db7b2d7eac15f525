"""What `headframe doctor` finds."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One thing looked at. `unreachable` says that a server did not answer, rather than that something is wrong."""

    level: Literal["ok", "warn", "fail"]
    what: str
    sentence: str
    todo: str = ""
    unreachable: bool = False
