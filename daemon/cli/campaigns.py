"""`headframe campaign`: begin campaigns over runs that a query chooses, let them grow, rest, go on and end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ...statemachine.lanes import LANES
from ...statemachine.wording import plural
from .asking import change_options, confirm
from .codes import Code, not_found
from .links import link_campaign
from .session import Session, pass_session
from .units import printable

if TYPE_CHECKING:
    from ...statemachine.store.campaign_operate import Begun
    from ...statemachine.store.campaign_plan import Plan
    from ...statemachine.store.campaign_query import RunChoice

TIMES = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
CHOICE = (
    click.option("--run", "numbers", metavar="N|FIRST-LAST", multiple=True, help="These runs; can be repeated."),
    click.option("--type", "kind", multiple=True, help="Of this run type; can be repeated."),
    click.option("--quality", multiple=True, help="Of this quality; can be repeated."),
    click.option("--state", multiple=True, help="Whose run is in this state; can be repeated."),
    click.option("--since", type=click.DateTime(TIMES), help="Begun then or later, UTC."),
    click.option("--until", type=click.DateTime(TIMES), help="Begun before, UTC."),
    click.option("--of", "campaign", metavar="CAMPAIGN", help="That this campaign has."),
)


@click.group()
def campaign() -> None:
    """Begin campaigns over runs, let them grow, pause, resume and close them."""


def _choosing(command: Any) -> Any:
    for option in reversed(CHOICE):
        command = option(command)
    return command


@campaign.command()
@click.argument("name")
@click.option("--pipeline", default="default", show_default=True, help="Its pipeline, as it is configured now.")
@click.option("--version", help="The pipeline at this version, which an earlier campaign had.")
@click.option("--start", "start_state", metavar="STATE", help="Where files start; else in the first state.")
@click.option("--lane", type=click.Choice(LANES), default="bulk", show_default=True, help="Where its work goes.")
@click.option(
    "--weight",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="Its share of the bulk lane, beside others.",
)
@click.option("--note", default="", help="What it is for.")
@_choosing
@change_options
@pass_session
def create(session: Session, /, name: str, reason: str, dry_run: bool, yes: bool, **options: Any) -> int:
    """Begin a campaign over the runs that fit: every option that is given must hold.

    Files find done what belongs to the file and not to the campaign, such as salt and copies. With --start, those
    that have not got so far are left out, and named.
    """
    from ...statemachine.store.campaign_operate import Wanted

    query = _choice(options)
    wanted = Wanted(name=name, query=query, **options)
    with session.asking() as ask:
        counted = ask.count_campaign(wanted)
    _tell_plan(f"campaign {name}", counted)
    if dry_run:
        return _dry()
    confirm(f"create campaign {printable(name)} of {counted.size}?", yes=yes)
    with session.acting() as act:
        begun = act.create_campaign(wanted, reason)
    return _make(session, begun)


@campaign.command()
@click.argument("name")
@_choosing
@change_options
@pass_session
def grow(session: Session, /, name: str, reason: str, dry_run: bool, yes: bool, **options: Any) -> int:
    """Take in the runs that fit a campaign by now, or others that you name; and what has come of those it has."""
    from ...statemachine.store.campaign_query import RunChoice

    query = _choice(options)
    other = None if query == RunChoice() else query
    with session.asking() as ask:
        counted = ask.count_growth(name, other)
    _tell_plan(f"campaign {name} anew", counted)
    if dry_run:
        return _dry()
    confirm(f"let campaign {printable(name)} grow by {counted.size}?", yes=yes)
    with session.acting() as act:
        begun = act.grow_campaign(name, reason, other)
    return _make(session, begun)


@campaign.command()
@click.argument("name")
@change_options
@pass_session
def pause(session: Session, name: str, reason: str, dry_run: bool, yes: bool) -> int:
    """Send nothing more out for a campaign until it is resumed; what runs ends."""
    return _change(session, "pause", name, reason, dry_run=dry_run, yes=yes)


@campaign.command()
@click.argument("name")
@change_options
@pass_session
def resume(session: Session, name: str, reason: str, dry_run: bool, yes: bool) -> int:
    """Let a paused campaign go on."""
    return _change(session, "resume", name, reason, dry_run=dry_run, yes=yes)


@campaign.command()
@click.argument("name")
@click.option("--cancel", is_flag=True, help="Stop and hold what is not done yet; else it goes on.")
@change_options
@pass_session
def close(session: Session, name: str, cancel: bool, reason: str, dry_run: bool, yes: bool) -> int:
    """Let no more runs join a campaign."""
    from ...statemachine.lifecycle import Trigger
    from ...statemachine.store.operating import Selection

    chosen = Selection(campaign=name)
    code = _change(session, "close", name, reason, dry_run=dry_run, yes=yes)
    if not cancel:
        return code
    with session.asking() as ask:
        n = ask.count(Trigger.CANCEL, chosen)
    if n and not dry_run:
        n = session.deeds.operate(Trigger.CANCEL, chosen, reason).changed
    click.echo(f"{'would have ' if dry_run else ''}cancelled {plural(n, 'item')}")
    return code


@campaign.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many runs.")
@pass_session
def show(session: Session, name: str, limit: int) -> int:
    """Tell how far a campaign is, and its runs, those that were known last first."""
    from ...statemachine.views import Page
    from .campaign_screen import screen_of

    with session.asking() as ask:
        found = ask.campaign(name)
        runs = ask.campaign_runs(name, Page(limit=limit))
    if found is None:
        raise not_found(f"there is no campaign {printable(name)}", "headframe get campaigns")
    screen_of(session.zone, found, runs).show()
    link_campaign(session, name)
    return Code.DONE


def _choice(options: dict[str, Any]) -> RunChoice:
    from ...statemachine.store.campaign_query import RunChoice

    return RunChoice(
        numbers=tuple(_span(number) for number in options.pop("numbers")),
        since=_utc(options.pop("since")),
        until=_utc(options.pop("until")),
        campaign=options.pop("campaign"),
        **{name: options.pop(name) for name in ("kind", "quality", "state")},
    )


def _span(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    numbers = [each for each in (first, last or first) if each.isascii() and each.isdigit() and len(each) < 19]
    if len(numbers) != 2:
        raise click.UsageError(f"{printable(text)} is neither a run number nor a range; write 1201 or 1201-1300")
    return int(numbers[0]), int(numbers[1])


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _tell_plan(what: str, counted: Plan) -> None:
    of = f"pipeline {counted.pipeline} {counted.version}, from {counted.start_state}"
    click.echo(f"{printable(what)}: {counted.size}, {of}")
    for left in counted.left_out:
        names = ", ".join(printable(name) for name in left.names)
        more = f", and {left.files - len(left.names):,} more" if left.files > len(left.names) else ""
        files = f"{plural(left.files, 'file')} of " if left.files else ""
        told = f": {names}{more}" if names else ""
        click.echo(f"  left out: {files}{plural(left.runs, 'run')}: {left.sentence} ({left.code}){told}")


def _dry() -> int:
    click.echo("a dry run: nothing was changed")
    return Code.DONE


def _make(session: Session, begun: Begun) -> int:
    """Have its items made, and say so; a daemon makes what this leaves."""
    name = printable(begun.campaign)
    click.echo(f"campaign {name} takes in {begun.plan.size}")
    try:
        session.deeds.make(begun)
    except KeyboardInterrupt:
        click.echo("a sweeper makes the rest; headframe campaign close ends that", err=True)
        raise
    click.echo(f"next: headframe campaign show {name}")
    link_campaign(session, begun.campaign)
    return Code.DONE


def _change(
    session: Session,
    verb: str,
    name: str,
    reason: str,
    *,
    dry_run: bool,
    yes: bool,
) -> int:
    """Change in one transaction; a dry run does the same and takes it back."""
    if not dry_run:
        confirm(f"{verb} campaign {printable(name)}?", yes=yes)
    with session.acting(dry_run=dry_run) as act:
        done = act.tell_campaign(verb, name, reason)
    sentence = f"campaign {printable(name)} is {done.status}{'' if done.changed else ' already'}"
    click.echo(f"dry run, nothing was changed: {sentence}" if dry_run else sentence)
    if done.warning:
        click.echo(done.warning, err=True)
    if not dry_run:
        link_campaign(session, name)
    return Code.DONE


COMMANDS = {"campaign": campaign}
