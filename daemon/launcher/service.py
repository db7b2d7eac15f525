"""The service, as the launcher needs it: the REST API, by its client."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from ...client import ProblemError
from ...statemachine.piloting import Orders, PilotWish, Round

T = TypeVar("T")


class Service(Protocol):
    """What a launcher says and asks. Both raise `ProblemError` (refused) and `UnreachableError`."""

    def round(self, launcher: str, round_: Round) -> Orders:
        """Tell what was seen; give the pilots, the work and the orders."""

    def intend(self, launcher: str, wishes: Sequence[PilotWish]) -> None:
        """Have pilots written down that are about to be submitted; the same token twice is one."""


class Renewed:
    """A service whose token may be renewed in its file: who is not let in reads it once more."""

    def __init__(self, make: Callable[[], Service]) -> None:
        self._make = make
        self._service = make()

    def round(self, launcher: str, round_: Round) -> Orders:
        """Tell what was seen; give the orders."""
        return self._with_new_token(lambda service: service.round(launcher, round_))

    def intend(self, launcher: str, wishes: Sequence[PilotWish]) -> None:
        """Have pilots written down."""
        self._with_new_token(lambda service: service.intend(launcher, wishes))

    def _with_new_token(self, ask: Callable[[Service], T]) -> T:
        try:
            return ask(self._service)
        except ProblemError as error:
            if error.status != 401:
                raise
            self._service = self._make()
            return ask(self._service)
