"""What a command is about: a run or a file, named in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .codes import Code, CommandError, not_found
from .units import printable

if TYPE_CHECKING:
    from ...statemachine.views import FileDetail, RunDetail
    from .behind.contract import Questions

F = TypeVar("F", bound=Callable[..., Any])


def run_or_file(command: F) -> F:
    """Add the arguments `run 12` or `file NAME`; they arrive as `kind` and `name`."""
    command = click.argument("name")(command)
    return click.argument("kind", type=click.Choice(("run", "file")))(command)


def run_number(name: str) -> int:
    """Read a run number. Ends with a usage error where it is none."""
    if not (name.isascii() and name.isdigit()) or int(name) >= 2**63:
        raise CommandError(f"{printable(name)} is no run number", Code.USAGE)
    return int(name)


def the_run(ask: Questions, name: str) -> RunDetail:
    """Give a run, or end with `not found`."""
    found = ask.run(run_number(name))
    if found is None:
        raise not_found(f"there is no run {name}", "headframe get runs")
    return found


def the_file(ask: Questions, name: str, run: int | None = None) -> FileDetail:
    """Give a file by name, `run/sequence` or id, or end with `not found`."""
    found = ask.file(name, run)
    if found is None:
        raise not_found(f"there is no file {printable(name)}", "headframe get files, or name it as run/sequence")
    return found
