"""`headframe run`: what operators say of a run: close, expect, waive, reopen, reclassify."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .asking import change_options, confirm, plural
from .codes import Code
from .session import Session, pass_session
from .units import printable

if TYPE_CHECKING:
    from sqlalchemy import Connection

NUMBER = click.IntRange(min=0, max=2**63 - 1)
Change = Callable[["Connection", str], str]
"""Changes a run on a connection, as an actor, and gives the sentence that says what changed."""


@click.group()
def run() -> None:
    """Say something of a run that the detector does not: close, expect, waive, reopen, reclassify."""


@run.command()
@click.argument("number", type=NUMBER)
@click.option("--expected", type=click.IntRange(min=0), help="The number of files; else what was announced or came.")
@change_options
@pass_session
def close(session: Session, number: int, expected: int | None, reason: str, dry_run: bool, yes: bool) -> int:
    """Say that the detector has ended a run."""
    from ...statemachine.store import runs

    def change(conn: Connection, actor: str) -> str:
        runs.close(conn, number, actor, reason, expected)
        return f"run {number} closed"

    return _do(session, number, f"close run {number}?", change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@click.argument("count", type=click.IntRange(min=0, max=2**31 - 1))
@change_options
@pass_session
def expect(session: Session, number: int, count: int, reason: str, dry_run: bool, yes: bool) -> int:
    """Correct how many files a run has."""
    from ...statemachine.store import runs

    def change(conn: Connection, actor: str) -> str:
        runs.expect(conn, number, count, actor, reason)
        return f"run {number} expects {plural(count, 'file')}"

    return _do(session, number, f"let run {number} expect {plural(count, 'file')}?", change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@click.argument("files", metavar="SEQUENCE|FIRST-LAST|NAME...", nargs=-1, required=True)
@change_options
@pass_session
def waive(session: Session, number: int, files: tuple[str, ...], reason: str, dry_run: bool, yes: bool) -> int:
    """Declare files missing, by sequence number, range or name: the run is complete without them."""
    from ...statemachine.store import runs

    wanted = [each for text in files for each in _spread(text)]

    def change(conn: Connection, actor: str) -> str:
        n = runs.waive(conn, number, wanted, actor, reason)
        return f"run {number}: {plural(n, 'file')} declared missing: {', '.join(printable(f) for f in files)}"

    question = f"declare {plural(len(wanted), 'file')} of run {number} missing?"
    return _do(session, number, question, change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@change_options
@pass_session
def reopen(session: Session, number: int, reason: str, dry_run: bool, yes: bool) -> int:
    """Take a run's closing back: more files may come, and what was made of the whole run no longer stands."""
    from ...statemachine.store import runs

    def change(conn: Connection, actor: str) -> str:
        runs.reopen(conn, number, actor, reason)
        return f"run {number} reopened"

    return _do(session, number, f"reopen run {number}?", change, dry_run=dry_run, yes=yes)


@run.command()
@click.argument("number", type=NUMBER)
@click.argument("kind", metavar="TYPE")
@change_options
@pass_session
def reclassify(session: Session, number: int, kind: str, reason: str, dry_run: bool, yes: bool) -> int:
    """Give a run another type; all its files start again on that type's way."""
    from ...statemachine.store import runs

    config = session.config

    def change(conn: Connection, actor: str) -> str:
        moved = runs.reclassify(conn, number, kind, config.pipeline_for, actor, reason, period=config.realtime_period)
        return f"run {number} is of type {kind}; {plural(moved, 'item')} started again"

    question = f"make run {number} a {printable(kind)} run, and start its files again?"
    return _do(session, number, question, change, dry_run=dry_run, yes=yes)


def _do(session: Session, number: int, question: str, change: Change, *, dry_run: bool, yes: bool) -> int:
    """Do it whole in a dry run too, and undo it there: what it says is exact, refusals included."""
    from ...statemachine.store.runs import locked

    if not dry_run:
        with session.looking():  # not reachable is told before anybody is asked
            pass
        confirm(question, yes=yes)
    with session.changing(dry_run=dry_run) as conn:
        locked(conn, number)
        sentence = change(conn, session.actor)
    click.echo(f"dry run, nothing was changed: {sentence}" if dry_run else sentence)
    if not dry_run:
        click.echo(f"next: headframe why run {number}")
    return Code.DONE


def _spread(text: str) -> list[Any]:
    """Give the sequence numbers of `17` or `18-20`, else the name."""
    first, dash, last = text.partition("-")
    if _is_sequence(text):
        return [int(text)]
    if dash and _is_sequence(first) and _is_sequence(last) and int(first) <= int(last):
        if int(last) - int(first) >= 100_000:
            raise click.UsageError(f"{text} is more than 100,000 files; use headframe run expect instead")
        return list(range(int(first), int(last) + 1))
    return [text]


def _is_sequence(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**31


COMMANDS = {"run": run}
