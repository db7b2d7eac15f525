"""`headframe dead`: look at what could not be used, try it again, or take it off the list."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ...statemachine.wording import plural
from .asking import change_options, confirm
from .codes import Code, CommandError, not_found
from .columns import DEAD
from .links import link
from .output import Output, output_options, write_one, write_rows
from .session import Session, pass_session

if TYPE_CHECKING:
    from ...statemachine.views import DeadLetterRow, Listed, Page
    from .behind.contract import Questions

PAGE = 1000
SHOWN = 4000
NUMBER = click.IntRange(min=1, max=2**63 - 1)


@click.group()
def dead() -> None:
    """Look at what could not be used; try it again, or forget it."""


@dead.command("list")
@click.option("--code", help="With this code.")
@click.option("--queue", help="From this queue.")
@click.option("--run", type=click.IntRange(min=0, max=2**63 - 1), help="About this run.")
@click.option("--all", "every", is_flag=True, help="Those too that are replayed, forgotten or dealt with.")
@click.option("--limit", type=click.IntRange(min=0), default=PAGE, show_default=True, help="At most so many; 0: all.")
@output_options
@pass_session
def list_(session: Session, /, limit: int, output: str, no_headers: bool, exact: bool, **asked: Any) -> int:
    """List dead letters, the latest first."""
    shown = Output(output, not no_headers, exact)
    n = write_rows(_rows(session, limit, asked), DEAD, shown, session.zone, lambda row: str(row.id))
    if not n and shown.is_table:
        click.echo("no dead letters match", err=True)
    if limit and n >= limit and output not in ("json", "yaml"):
        click.echo(f"the first {limit} are shown; --limit 0 gives all", err=True)
    if shown.is_table:
        link(session, "/dead-letters", err=True)
    return Code.DONE


def _rows(session: Session, limit: int, asked: dict[str, Any]) -> Iterator[DeadLetterRow]:
    from .get import paged

    yield from paged(session, partial(_page, asked), limit)


def _page(asked: dict[str, Any], ask: Questions, page: Page) -> Listed[Any]:
    return ask.listed("dead-letters", asked, page)


@dead.command()
@click.argument("number", metavar="ID", type=NUMBER)
@click.option("--body", is_flag=True, help="Give the message itself and nothing else, byte by byte.")
@click.option("-o", "--output", type=click.Choice(("text", "json", "yaml")), default="text", show_default=True)
@pass_session
def show(session: Session, number: int, body: bool, output: str) -> int:
    """Show all that is known of one dead letter."""
    with session.asking() as ask:
        letter = ask.dead_letter(number)
        content = ask.dead_letter_body(number) if letter is not None else b""
    if letter is None:
        raise not_found(f"there is no dead letter {number}", "headframe dead list --all")
    if body:
        sys.stdout.buffer.write(content)
        return Code.DONE
    if output != "text":
        write_one(letter, output)
        return Code.DONE
    _screen(session, letter, content)
    return Code.DONE


def _screen(session: Session, letter: DeadLetterRow, content: bytes) -> None:
    from .text import Screen

    screen = Screen(session.zone)
    screen.title(f"dead letter {letter.id}: {letter.code}", letter.standing)
    screen.text(f"  {letter.sentence}", "")
    kept = "" if len(content) == letter.body_size else f", of which {len(content):,} are kept"
    size = f"{letter.body_size:,} bytes{kept}" if content or letter.body_size else ""
    screen.fields([("queue", letter.queue), ("subject", letter.subject), ("run", letter.run_number)])
    screen.fields([("times", letter.count), ("message", size), ("replays", letter.replays or None)], "plain")
    screen.fields([("first", letter.first_at), ("last", letter.last_at)])
    screen.fields([("asked", letter.asked_at), ("asked by", letter.asked_by), ("because", letter.asked_reason)])
    screen.fields([("replayed", letter.replayed_at), ("replayed by", letter.replayed_by)])
    screen.fields([("stuck", letter.replay_error)])
    screen.fields([("cleared", letter.cleared_at), ("cleared by", letter.cleared_by)])
    screen.fields([("because", letter.cleared_reason)])
    screen.fields(sorted(letter.headers.items()), "plain")
    screen.text("", *(_written(content) or letter.payload).splitlines())
    how = f"headframe dead replay {letter.id} --reason ..." if letter.replayable else "it cannot be replayed"
    screen.text("", f"next: {how}; headframe dead forget {letter.id} --reason ...")
    screen.show()
    link(session, f"/dead-letters/{letter.id}")


def _written(content: bytes) -> str:
    """Write a body for a screen: JSON in lines, anything else as it is, its beginning only."""
    import msgspec

    try:
        text = msgspec.json.format(msgspec.json.encode(msgspec.json.decode(content)), indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = content[:SHOWN].decode("utf-8", "backslashreplace")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n... (--body gives all of it)"


CHOICE = (
    click.argument("numbers", metavar="[ID]...", nargs=-1, type=NUMBER),
    click.option("--all-of", "code", metavar="CODE", help="All open ones with this code."),
)


def _changing(name: str, help_: str) -> click.Command:
    def command(session: Session, /, numbers: tuple[int, ...], code: str | None, **options: Any) -> int:
        return _change(session, name, numbers, code, **options)

    wrapped: Any = change_options(pass_session(command))
    for option in reversed(CHOICE):
        wrapped = option(wrapped)
    return click.command(name, help=help_)(wrapped)


def _change(
    session: Session, name: str, numbers: tuple[int, ...], code: str | None, reason: str, dry_run: bool, yes: bool
) -> int:
    if bool(numbers) == (code is not None):
        raise click.UsageError("name dead letters by number, or all of one code by --all-of CODE")
    with session.asking() as ask:
        met = ask.count_letters(numbers, code, replay=name == "replay")
    if not met.changed:
        return _nothing(name, met.total, code)
    if dry_run:
        click.echo(f"would {name} {plural(met.changed, 'dead letter')}; nothing was changed")
        return _left(met.total - met.changed)
    confirm(f"{name} {plural(met.changed, 'dead letter')}?", yes=yes)
    with session.acting() as act:
        did = act.letters(name, numbers, code, reason)
    if name == "forget":
        click.echo(f"forgot {plural(did.changed, 'dead letter')}")
        link(session, "/dead-letters")
        return Code.DONE
    click.echo(f"asked the conductors to replay {plural(did.changed, 'dead letter')}")
    click.echo("next: headframe dead list; what is still bad comes back there")
    link(session, "/dead-letters")
    return _left(did.total - did.changed)


def _left(n: int) -> int:
    if n:
        click.echo(f"{plural(n, 'dead letter')} cannot be replayed: headframe dead list -o wide says which", err=True)
    return Code.PARTLY if n else Code.DONE


def _nothing(name: str, total: int, code: str | None) -> int:
    if total:
        raise CommandError(
            f"nothing to {name}: {plural(total, 'dead letter')} cannot be replayed (cut, or of no queue)",
            next_step="headframe dead show ID",
        )
    click.echo(f"nothing to {name}: there is no open dead letter with code {code}")
    return Code.DONE


dead.add_command(
    _changing(
        "replay",
        "Try dead letters again: messages go back to their queue, files are looked at again.\n\n"
        "A conductor does it, in the name of who asks here. What is still bad comes back, counted.",
    )
)
dead.add_command(_changing("forget", "Take dead letters off the list; they can still be shown by their number."))
COMMANDS = {"dead": dead}
