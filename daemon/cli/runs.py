"""`headframe run`: what operators say of a run: close, expect, waive, reopen, reclassify, note, quality."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ...statemachine.wording import plural
from .asking import change_options, confirm
from .codes import Code
from .links import link_run
from .session import Session, pass_session
from .units import printable

if TYPE_CHECKING:
    from .behind.contract import Changes

NUMBER = click.IntRange(min=0, max=2**63 - 1)
Change = Callable[["Changes"], str]
"""Changes a run, and gives the sentence that says what changed."""


@click.group()
def run() -> None:
    """Say something of a run that the detector does not: close, expect, waive, reopen, reclassify, note, quality."""


@run.command()
@click.argument("number", type=NUMBER)
@click.option("--expected", type=click.IntRange(min=0), help="The number of files; else what was announced or came.")
@change_options
@pass_session
def close(session: Session, number: int, expected: int | None, reason: str, dry_run: bool, yes: bool) -> int:
    """Say that the detector has ended a run."""

    def change(act: Changes) -> str:
        return act.close(number, reason, expected)

    return _do(session, number, f"close run {number}?", change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@click.argument("count", type=click.IntRange(min=0, max=2**31 - 1))
@change_options
@pass_session
def expect(session: Session, number: int, count: int, reason: str, dry_run: bool, yes: bool) -> int:
    """Correct how many files a run has."""

    def change(act: Changes) -> str:
        return act.expect(number, reason, count)

    return _do(session, number, f"let run {number} expect {plural(count, 'file')}?", change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@click.argument("files", metavar="SEQUENCE|FIRST-LAST|NAME...", nargs=-1, required=True)
@change_options
@pass_session
def waive(session: Session, number: int, files: tuple[str, ...], reason: str, dry_run: bool, yes: bool) -> int:
    """Declare files missing, by sequence number, range or name: the run is complete without them."""
    from ...statemachine.store.words import spread

    wanted = spread(files)

    def change(act: Changes) -> str:
        return printable(act.waive(number, reason, files))

    question = f"declare {plural(len(wanted), 'file')} of run {number} missing?"
    return _do(session, number, question, change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@change_options
@pass_session
def reopen(session: Session, number: int, reason: str, dry_run: bool, yes: bool) -> int:
    """Take a run's closing back: more files may come, and what was made of the whole run no longer stands."""

    def change(act: Changes) -> str:
        return act.reopen(number, reason)

    return _do(session, number, f"reopen run {number}?", change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@click.argument("kind", metavar="TYPE")
@change_options
@pass_session
def reclassify(session: Session, number: int, kind: str, reason: str, dry_run: bool, yes: bool) -> int:
    """Give a run another type; all its files start again on that type's way."""

    def change(act: Changes) -> str:
        return act.reclassify(number, reason, kind)

    question = f"make run {number} a {printable(kind)} run, and start its files again?"
    return _do(session, number, question, change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@click.argument("text")
@click.option("--file", "about", help="About this file of the run: its name, path, sequence or id.")
@click.option("--kind", default="note", help="A word of your own that tells such notes from others.")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@pass_session
def note(session: Session, number: int, text: str, about: str | None, kind: str, dry_run: bool) -> int:
    """Write a note about a run. It stays: correct it by another one."""

    def change(act: Changes) -> str:
        act.note(number, text, kind, about)
        return f"run {number}: noted"

    return _do(session, number, "", change, dry_run=dry_run, yes=True, next_step=f"headframe describe run {number}")


@run.command()
@click.argument("number", type=NUMBER)
@click.argument("quality", type=click.Choice(("unknown", "good", "questionable", "bad")))
@change_options
@pass_session
def quality(session: Session, number: int, quality: str, reason: str, dry_run: bool, yes: bool) -> int:
    """Say how good the data of a run are."""

    def change(act: Changes) -> str:
        act.judge(number, reason, quality)
        return f"run {number} is {quality}"

    what = f"headframe get runs --quality {quality}"
    return _do(session, number, f"call run {number} {quality}?", change, dry_run=dry_run, yes=yes, next_step=what)


def _do(
    session: Session, number: int, question: str, change: Change, *, dry_run: bool, yes: bool, next_step: str = ""
) -> int:
    """Do it whole in a dry run too, and undo it there: what it says is exact, refusals included."""
    if not dry_run:
        with session.asking() as ask:
            ask.reachable()  # not reachable is told before anybody is asked
        confirm(question, yes=yes)
    with session.acting(dry_run=dry_run) as act:
        sentence = change(act)
    click.echo(f"dry run, nothing was changed: {sentence}" if dry_run else sentence)
    if not dry_run:
        click.echo(f"next: {next_step or f'headframe why run {number}'}")
        link_run(session, number)
    return Code.DONE


COMMANDS = {"run": run}
