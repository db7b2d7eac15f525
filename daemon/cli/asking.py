"""Before anything is changed: `--reason`, `--dry-run`, `--yes`, and the question on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from .codes import Code, CommandError

F = TypeVar("F", bound=Callable[..., Any])


def change_options(command: F) -> F:
    """Add the options that every change has; they arrive as `reason`, `dry_run`, `yes`. A dry run needs no reason."""
    for option in (
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, is_eager=True, help="Say exactly what would change, change nothing."),
        click.option("--reason", callback=_reason, help="Why; it stays in the history. Required."),
    ):
        command = option(command)
    return command


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; where there is none, refuse without `--yes`."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(f"{question} Give --yes, as there is no terminal to ask on", Code.USAGE)
    if not click.confirm(question, default=False, err=True):
        raise CommandError("nothing was changed", Code.FAILED)


def _reason(context: click.Context, option: click.Parameter, value: str | None) -> str:
    if value is None and context.params["dry_run"]:
        return "a dry run"
    if value is None:
        raise click.MissingParameter(ctx=context, param=option)
    if not value.strip():
        raise click.BadParameter("it must say something; it stays in the history")
    return value.strip()
