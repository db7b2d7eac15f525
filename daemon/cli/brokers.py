"""`headframe broker`: declare exchanges, queues and policies at RabbitMQ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ...statemachine.wording import plural
from .codes import Code
from .columns import field
from .output import Output, output_options, write_rows
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..declaring import Declaring, Part

PARTS = (field("WHAT"), field("NAME"), field("STATE"))


@click.group()
def broker() -> None:
    """Look after RabbitMQ."""


@broker.command()
@click.option("--dry-run", is_flag=True, help="Say what is there and what would be made; change nothing.")
@click.option("--print", "printed", is_flag=True, help="Print a file for rabbitmqctl import_definitions.")
@output_options
@pass_session
def declare(session: Session, dry_run: bool, printed: bool, output: str, no_headers: bool, exact: bool) -> int:
    """Make the exchanges, queues and policies of this instance where they are missing. Safe to repeat.

    Without [broker] management it prints the commands by which an administrator sets the policies.
    """
    from ..declaring import Declaring

    declaring = Declaring(session.config)
    if printed:
        click.echo(json.dumps(declaring.definitions(), indent=2))
        return Code.DONE
    parts = declaring.look()
    if not dry_run:
        made = {(part.what, part.name): part for part in declaring.declare(parts)}
        parts = [made.get((part.what, part.name), part) for part in parts]
    write_rows(parts, PARTS, Output(output, not no_headers, exact), session.zone, lambda part: part.name)
    if output in ("table", "wide"):
        _end(declaring, parts, dry_run=dry_run)
    return Code.DONE


def _end(declaring: Declaring, parts: list[Part], *, dry_run: bool) -> None:
    if dry_run:
        open_ = sum(part.state in ("missing", "different") for part in parts)
        click.echo(f"would make or set {plural(open_, 'part')}; nothing was changed")
    if declaring.management is None:
        click.echo("\npolicies are set by an administrator of RabbitMQ (or set [broker] management):\n")
        for command in declaring.commands():
            click.echo(command)
        click.echo()
    click.echo("next: headframe doctor")


COMMANDS = {"broker": broker}
