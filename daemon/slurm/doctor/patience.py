"""No check hangs and none raises: each has a thread of its own and so many seconds, and whatever goes wrong is said."""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from ...finding import Finding
from ..contract import AwayError, BatchError

T = TypeVar("T")
PATIENCE_S = 60.0
"""So long a check may take: each question to the batch system has `launcher.timeout_s` of its own."""


class CheckError(Exception):
    """What a check could not do, as a sentence; `todo` says what to do."""

    def __init__(self, sentence: str, todo: str = "", *, unreachable: bool = False) -> None:
        super().__init__(sentence)
        self.todo, self.unreachable = todo, unreachable


def within(seconds: float, ask: Callable[[], T], what: str = "it") -> T:
    """Give what `ask` gives. Raises `CheckError` if that takes longer; then its thread is left to itself."""
    done: list[T] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            done.append(ask())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True, name="doctor")
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise CheckError(f"{what} gave no answer within {seconds:.0f} s", "look whether it hangs", unreachable=True)
    return done[0]


def findings(
    what: str, check: Callable[[], Iterable[Finding]], todo: str = "", seconds: float = PATIENCE_S
) -> list[Finding]:
    """Make a check; where it could not be made, say so in one finding."""
    try:
        return within(seconds, lambda: list(check()), "this check")
    except CheckError as error:
        return [Finding("fail", what, str(error), error.todo or todo, unreachable=error.unreachable)]
    except AwayError as error:
        return [Finding("fail", what, one_line(error), todo or "start slurmctld, or ask for it", unreachable=True)]
    except BatchError as error:
        return [Finding("fail", what, one_line(error), todo)]
    except Exception as error:
        return [Finding("fail", what, f"could not be looked at: {type(error).__name__}: {one_line(error)}", todo)]


def one_line(error: object) -> str:
    """Write an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__
