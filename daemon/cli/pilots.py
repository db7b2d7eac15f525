"""`headframe pilots`: the batch jobs that run workers; look at them, let them leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ...statemachine.wording import plural
from .asking import change_options, confirm
from .codes import Code, not_found
from .columns import ATTEMPTS, PILOTS, Column, field
from .links import link
from .output import Output, output_options, write_one, write_rows
from .session import Session, pass_session

if TYPE_CHECKING:
    from ...statemachine.views import Listed, Page, PilotRow
    from .behind.contract import Questions

PAGE = 1000
LATELY = 20
STATUSES = ("intended", "pending", "running", "ended", "refused")
NUMBER = click.IntRange(min=1, max=2**63 - 1)
NUMBERS = click.argument("numbers", metavar="ID...", type=NUMBER, nargs=-1, required=True)
WORKERS = (
    field("NAME"),
    field("STANDING", kind="phase"),
    field("HOST"),
    Column("DOES", lambda row: ", ".join(f"{each.step} {each.name or f'run {each.run}'}" for each in row.doing)),
    field("HEARD", "seen_at", "age"),
    field("OWNER"),
)


@click.group()
def pilots() -> None:
    """Look at the batch jobs that run workers; let them leave."""


@pilots.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="In this status.")
@click.option("--launcher", help="Of this launcher.")
@click.option("--name", help="Of this name: [pilot.NAME] of the configuration.")
@click.option("--all", "every", is_flag=True, help="Those too that are over.")
@click.option("--limit", type=click.IntRange(min=0), default=PAGE, show_default=True, help="At most so many; 0: all.")
@output_options
@pass_session
def list_(session: Session, /, limit: int, every: bool, output: str, no_headers: bool, exact: bool, **of: Any) -> int:
    """List pilots that are not over, the newest first."""
    shown = Output(output, not no_headers, exact)
    asked = {name: value for name, value in of.items() if value is not None}
    if not every and "status" not in asked:
        asked["live"] = True
    n = write_rows(_rows(session, limit, asked), PILOTS, shown, session.zone, lambda row: str(row.id))
    if not n and shown.is_table:
        click.echo("no pilots match" + ("" if every else "; --all shows those too that are over"), err=True)
    if limit and n >= limit and output not in ("json", "yaml"):
        click.echo(f"the first {limit} are shown; --limit 0 gives all", err=True)
    if shown.is_table:
        _launchers(session, asked.get("launcher"))
        link(session, "/pilots", err=True)
    return Code.DONE


def _launchers(session: Session, name: str | None) -> None:
    """Say how the launchers are, and how many pilots of each name they want now."""
    from .units import printable

    with session.asking() as ask:
        found = [row for row in ask.launchers() if name in (None, row.name)]
    for row in found:
        wants = ", ".join(f"{each} {many}" for each, many in sorted(row.wanted.items())) or "nothing that it has told"
        said = f"wants {wants}" if row.alive else f"silent since {row.seen_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        click.echo(printable(f"launcher {row.name} on {row.host or 'an unknown host'}: {said}"), err=True)


def _rows(session: Session, limit: int, asked: dict[str, Any]) -> Iterator[PilotRow]:
    from .get import paged

    yield from paged(session, partial(_page, asked), limit)


def _page(asked: dict[str, Any], ask: Questions, page: Page) -> Listed[Any]:
    return ask.listed("pilots", asked, page)


@pilots.command()
@click.argument("number", metavar="ID", type=NUMBER)
@click.option("-o", "--output", type=click.Choice(("text", "json", "yaml")), default="text", show_default=True)
@pass_session
def show(session: Session, number: int, output: str) -> int:
    """Show all that is known of one pilot: its job, its workers, what they did, why it is over."""
    from ...statemachine.views import Page

    with session.asking() as ask:
        found = ask.pilot(number)
        if found is None:
            raise not_found(f"there is no pilot {number}", "headframe pilots list --all")
        if output != "text":
            write_one(found, output)
            return Code.DONE
        workers = ask.listed("workers", {"pilot": number, "every": True}, Page(limit=PAGE)).rows
        attempts = ask.listed("attempts", {"pilot": number}, Page(limit=LATELY)).rows
    _screen(session, found, workers, attempts)
    return Code.DONE


def _screen(session: Session, row: PilotRow, workers: Sequence[Any], attempts: Sequence[Any]) -> None:
    from .text import Screen

    screen = Screen(session.zone)
    screen.title(f"pilot {row.id}: {row.name}{' (large)' if row.large else ''}", row.status)
    screen.text(*(f"  {line}" for line in _sentences(row)), "")
    screen.fields([("launcher", row.launcher), ("steps", row.steps), ("token", row.token), ("log", row.log)])
    screen.fields([("job", row.job), ("node", row.node), ("state", row.state), ("code", row.code)], "plain")
    screen.fields([("restarts", row.restarts or None)], "plain")
    screen.fields([("intended", row.created_at), ("submitted", row.submitted_at), ("started", row.started_at)])
    screen.fields([("ends" if row.ended_at is None else "would end", row.ends_at), ("ended", row.ended_at)])
    screen.fields([("last change", row.seen_at), ("last heard", row.heard_at)])
    asked = {name: value for name, value in row.request.items() if name != "script"}
    for head, values in (("asked for", asked), ("it says", row.detail), ("it used", row.usage)):
        said = [_said(name, value) for name, value in values.items() if value not in ("", None)]
        screen.fields([(head, ", ".join(said))], "plain")
    if row.request.get("script"):
        screen.text("", "The site's own lines of its script:")
        screen.text(*(f"  {line}" for line in str(row.request["script"]).splitlines()))
    screen.table(f"Workers ({row.busy} of {row.workers} busy)", workers, WORKERS)
    screen.table("What they did last", attempts[::-1], [column for column in ATTEMPTS if not column.wide])
    if row.ended_at is None:
        screen.text("", f"next: headframe pilots drain {row.id} --reason ...")
    else:
        screen.text("", f"next: headframe get attempts --pilot {row.id}")
    screen.show()
    link(session, f"/pilots/{row.id}")


def _said(name: str, value: Any) -> str:
    """Say one thing that was asked for or used as people do: sizes and times in their units."""
    from .units import human_lasting, human_size

    if name.startswith("memory") and isinstance(value, int | float):
        return f"{name.replace('_', ' ')} {human_size(int(value))}"
    if name.endswith("_s") and isinstance(value, int | float):
        return f"{name.removesuffix('_s')} {human_lasting(value)}"
    return f"{name} {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"


def _sentences(row: PilotRow) -> Iterator[str]:
    """Say in words how it is: why it is over, or why it waits; what it was told."""
    from ...statemachine.piloting import ENDS

    if row.ended_at is not None:
        why = ENDS.get(row.code, "it ended")
        yield f"{why}: {row.reason}" if row.reason else why
    elif row.status == "intended":
        yield "it is written down; whether the batch system has it is not known yet"
    elif row.status == "pending":
        yield f"it waits for the batch system to start it{f': {row.reason}' if row.reason else ''}"
    else:
        yield f"{row.busy} of its {plural(row.workers, 'worker')} that were heard of lately execute something"
    if row.told:
        yield f"{row.told_by} said {row.told}: {row.told_reason}"


@pilots.command()
@NUMBERS
@change_options
@pass_session
def drain(session: Session, numbers: tuple[int, ...], reason: str, dry_run: bool, yes: bool) -> int:
    """Let them finish what they do and leave; those that have not begun are cancelled."""
    return _tell(session, "drain", numbers, reason, dry_run=dry_run, yes=yes)


@pilots.command()
@NUMBERS
@change_options
@pass_session
def cancel(session: Session, numbers: tuple[int, ...], reason: str, dry_run: bool, yes: bool) -> int:
    """End them now; what their workers do is handed back, and done elsewhere."""
    return _tell(session, "cancel", numbers, reason, dry_run=dry_run, yes=yes)


def _tell(session: Session, word: str, numbers: tuple[int, ...], reason: str, *, dry_run: bool, yes: bool) -> int:
    """Tell pilots one by one: what could be told to those before one that is over stands."""
    named = ", ".join(map(str, numbers))
    if not dry_run:
        confirm(f"{word} pilot{'s' if len(numbers) > 1 else ''} {named}?", yes=yes)
    for number in numbers:
        with session.acting(dry_run=dry_run) as act:
            sentence = act.tell_pilot(number, word, reason)
        click.echo(f"would have: {sentence}; nothing was changed" if dry_run else sentence)
    if not dry_run:
        link(session, f"/pilots/{numbers[0]}" if len(numbers) == 1 else "/pilots")
    return Code.DONE


COMMANDS = {"pilots": pilots}
