"""`headframe pause | resume | drain`: let a step, lane, site, worker or node rest, and go on; let a worker leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...statemachine.lanes import LANES
from .asking import change_options, confirm
from .codes import Code
from .links import PAUSED, link
from .session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from .behind.contract import Changes

WHATS = ("step", "lane", "site", "worker", "node")
KINDS = (
    click.option("--step", help="This step: it sends nothing out, and workers leave its queues alone."),
    click.option("--lane", type=click.Choice(LANES), help="This lane, of every step."),
    click.option("--site", help="This site: nothing is sent out that would be written there."),
    click.option("--worker", help="This worker, by name or owner: it takes nothing new."),
    click.option("--node", help="This node, by its host name: its workers take nothing new, and it gets no pilots."),
)


def _with_kinds(command: Any) -> Any:
    for option in reversed(KINDS):
        command = option(command)
    return command


@click.command()
@_with_kinds
@change_options
@pass_session
def pause(session: Session, /, reason: str, dry_run: bool, yes: bool, **options: str | None) -> int:
    """Let a step, a lane, a site, a worker or a node rest until it is resumed.

    What executes runs on to its end; nothing is lost, and what waits keeps its order.
    """
    what, name = _one(options)

    def change(act: Changes) -> str:
        if not act.pause(what, name, reason):
            return f"{what} {name} was paused already"
        return f"paused {what} {name}; what executes runs on\nnext: headframe resume --{what} {name} --reason ..."

    return _do(session, f"pause {what} {name}?", change, PAUSED[what], dry_run=dry_run, yes=yes)


@click.command()
@_with_kinds
@change_options
@pass_session
def resume(session: Session, /, reason: str, dry_run: bool, yes: bool, **options: str | None) -> int:
    """Let what was paused go on."""
    what, name = _one(options)

    def change(act: Changes) -> str:
        act.resume(what, name, reason)
        return f"resumed {what} {name}"

    return _do(session, f"resume {what} {name}?", change, PAUSED[what], dry_run=dry_run, yes=yes)


@click.command()
@click.option("--worker", required=True, help="The worker, by name or owner.")
@change_options
@pass_session
def drain(session: Session, worker: str, reason: str, dry_run: bool, yes: bool) -> int:
    """Let a worker finish what it does, hand back what it has not begun, and leave."""

    def change(act: Changes) -> str:
        return act.drain(worker, reason)

    return _do(session, f"drain worker {worker}?", change, PAUSED["worker"], dry_run=dry_run, yes=yes)


def _one(options: dict[str, str | None]) -> tuple[Any, str]:
    given = [(what, name) for what in WHATS if (name := options[what]) is not None]
    if len(given) != 1:
        raise click.UsageError("name one of --step, --lane, --site, --worker, --node")
    return given[0]


def _do(
    session: Session, question: str, change: Callable[[Changes], str], page: str, *, dry_run: bool, yes: bool
) -> int:
    """Change in one transaction; a dry run does the same and takes it back."""
    if not dry_run:
        confirm(question, yes=yes)
    with session.acting(dry_run=dry_run) as act:
        sentence = change(act)
    click.echo(f"would have: {sentence.splitlines()[0]}; nothing was changed" if dry_run else sentence)
    if not dry_run:
        link(session, page)
    return Code.DONE


COMMANDS = {"pause": pause, "resume": resume, "drain": drain}
