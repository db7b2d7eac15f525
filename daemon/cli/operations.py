"""`headframe operation`: large actions that daemons carry out."""

from __future__ import annotations

import click

from .asking import change_options, confirm
from .codes import Code
from .links import link
from .session import Session, pass_session

NUMBER = click.IntRange(min=0, max=2**63 - 1)


@click.group()
def operation() -> None:
    """Look after what operators have ordered of many items; `headframe get operations` lists it."""


@operation.command()
@click.argument("number", metavar="ID", type=NUMBER)
@change_options
@pass_session
def cancel(session: Session, number: int, reason: str, dry_run: bool, yes: bool) -> int:
    """Leave the rest of it undone; what is done stays."""
    if not dry_run:
        confirm(f"cancel operation {number}?", yes=yes)
    with session.acting(dry_run=dry_run) as act:
        act.cancel(number, reason)
    click.echo(f"would cancel operation {number}; nothing was changed" if dry_run else f"operation {number} cancelled")
    if not dry_run:
        click.echo(f"next: headframe get operation {number}")
        link(session, f"/operations/{number}")
    return Code.DONE


COMMANDS = {"operation": operation}
