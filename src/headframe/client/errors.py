"""What can go wrong between a program and a headframe, each with a sentence that says what to do."""

from typing import Any


class ClientError(Exception):
    """The base of all that a client raises."""


class UnreachableError(ClientError):
    """Nothing that speaks headframe's API answered there."""


class NotThereError(ClientError):
    """A product cannot be opened from here. The text says where it lies."""


class ProblemError(ClientError):
    """The service refused. `status` is HTTP's; `members` say more, such as the present state of what was acted on."""

    def __init__(self, status: int, title: str, detail: str, members: dict[str, Any]) -> None:
        super().__init__(detail or title)
        self.status, self.title, self.detail, self.members = status, title, detail, members
