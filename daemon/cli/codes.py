"""Exit codes, and the errors that carry them."""

from enum import IntEnum
from typing import IO, Any

import click


class Code(IntEnum):
    """What the process says when it ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTLY = 3
    NOT_FOUND = 4
    NOT_ALLOWED = 5
    UNREACHABLE = 6
    TIMED_OUT = 124


class CommandError(click.ClickException):
    """A command that ends with a sentence, an exit code, and where it helps what to do next."""

    def __init__(self, sentence: str, code: Code = Code.FAILED, *, next_step: str = "") -> None:
        super().__init__(sentence)
        self.exit_code = int(code)  # type: ignore[misc]  # a class variable to click
        self.next_step = next_step

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence, on the error stream."""
        click.echo(f"headframe: {self.message}", err=file is None, file=file)
        if self.next_step:
            click.echo(f"next: {self.next_step}", err=file is None, file=file)


def not_found(sentence: str, next_step: str = "") -> CommandError:
    """Make the error for something that is not there."""
    return CommandError(sentence, Code.NOT_FOUND, next_step=next_step)
