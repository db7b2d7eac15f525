"""`headframe alerts`: what needs somebody, who knows of it; acknowledge; try whether receivers are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .asking import change_options, confirm
from .codes import Code, not_found
from .columns import Column, field
from .handbook import remedy
from .links import link
from .output import Output, output_options, write_one, write_rows
from .session import Session, pass_session
from .units import Duration

if TYPE_CHECKING:
    from ...statemachine.views import AlertRow, HoldingAck
    from ..alerting import Receiver

ALERTS = (
    field("ALERT", "code"),
    field("OF", "name"),
    field("SEVERITY"),
    field("SINCE", kind="age"),
    Column("KNOWS", lambda row: row.owner),
    field("UNTIL", kind="time"),
    field("WHAT IS SO", "sentence"),
    field("BEGIN WITH", "command", wide=True),
    field("TOLD", "told_at", "time", wide=True),
    field("OVER", "cleared_at", "time", wide=True),
)
ACKNOWLEDGED = (
    field("ACKNOWLEDGED", "code"),
    field("OF", "name"),
    Column("KNOWS", lambda row: row.owner),
    field("UNTIL", kind="time"),
    Column("NOW", lambda row: "open" if row.open else "not open"),
    field("WHY", "reason"),
    field("SINCE", kind="time", wide=True),
)


@click.group(invoke_without_command=True)
@click.pass_context
def alerts(context: click.Context) -> None:
    """List what needs somebody; acknowledge it; try whether people are told."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@alerts.command("list")
@click.option("--all", "every", is_flag=True, help="Those too that were over in the last month.")
@click.option("--code", help="With this code.")
@output_options
@pass_session
def list_(
    session: Session, /, every: bool = False, code: str | None = None, output: str = "table",
    no_headers: bool = False, exact: bool = False,
) -> int:  # fmt: skip
    """List alerts: open ones that nobody knows of first. Ends 1 if there is one that nobody knows of.

    A table also names what is acknowledged though it is not open; `headframe alerts acks` lists these for programs.
    """
    shown = Output(output, not no_headers, exact)
    with session.asking() as ask:
        rows = ask.alerts("all" if every else "open", code)
        beforehand = [ack for ack in ask.acknowledgements() if not ack.open] if shown.is_table else []
    n = write_rows(iter(rows), ALERTS, shown, session.zone, _named)
    if not n and shown.is_table:
        click.echo("no alerts: nothing needs anybody", err=True)
    if beforehand:
        click.echo()
        write_rows(iter(beforehand), ACKNOWLEDGED, shown, session.zone, _named)
    if shown.is_table:
        link(session, "/alerts", err=True)
    waits = any(row.cleared_at is None and not row.acknowledged for row in rows)
    return Code.FAILED if waits else Code.DONE


@alerts.command()
@output_options
@pass_session
def acks(session: Session, output: str, no_headers: bool, exact: bool) -> int:
    """List the acknowledgements that hold now, those first whose alert is not open; `unack` takes one back."""
    with session.asking() as ask:
        rows = ask.acknowledgements()
    shown = Output(output, not no_headers, exact)
    if not write_rows(iter(rows), ACKNOWLEDGED, shown, session.zone, _named) and shown.is_table:
        click.echo("nobody has acknowledged anything that is not over", err=True)
    return Code.DONE


@alerts.command()
@click.argument("code")
@click.argument("name", required=False, default="")
@click.option("-o", "--output", type=click.Choice(("text", "json", "yaml")), default="text", show_default=True)
@pass_session
def show(session: Session, code: str, name: str, output: str) -> int:
    """Show all that is known of one alert, the last one of this code and name."""
    row = _the_alert(session, code, name)
    if output != "text":
        write_one(row, output)
        return Code.DONE
    from .text import Screen

    screen = Screen(session.zone)
    screen.title(f"alert {row.code} {row.name}".rstrip(), "over" if row.cleared_at else row.severity)
    screen.text(f"  {row.sentence}", "")
    screen.fields([("since", row.since), ("needs somebody since", row.fired_at), ("told", row.told_at)])
    screen.fields([("not so since", row.calm_since if row.cleared_at is None else None), ("over", row.cleared_at)])
    screen.fields([("knows", row.owner), ("until", row.until), ("because", row.reason)])
    screen.text("", f"next: {row.command}", f"remedy: {remedy(session, row.remedy)}")
    screen.show()
    link(session, "/alerts")
    return Code.DONE


@alerts.command()
@click.argument("code")
@click.argument("name", required=False, default="")
@click.option("--for", "lasting", type=Duration(), required=True, help="For how long: 90m, 8h, 2d; up to 30d.")
@change_options
@pass_session
def ack(session: Session, code: str, name: str, lasting: float, reason: str, dry_run: bool, yes: bool) -> int:
    """Say that you know of an alert, open or not: nobody else is told until then. It stays shown, with your name."""
    if not dry_run:
        confirm(f"acknowledge {code} {name}".rstrip() + "?", yes=yes)
    with session.acting(dry_run=dry_run) as act:
        said = act.acknowledge(code, name, lasting / 3600, reason)
    return _said(session, said, dry_run=dry_run)


@alerts.command()
@click.argument("code")
@click.argument("name", required=False, default="")
@change_options
@pass_session
def unack(session: Session, code: str, name: str, reason: str, dry_run: bool, yes: bool) -> int:
    """Take an acknowledgement back, also somebody else's: the alert is told again."""
    if not dry_run:
        confirm(f"tell {code} {name}".rstrip() + " again?", yes=yes)
    with session.acting(dry_run=dry_run) as act:
        said = act.unacknowledge(code, name, reason)
    return _said(session, said, dry_run=dry_run)


@alerts.command()
@pass_session
def test(session: Session) -> int:
    """Send a test to each receiver, and say what became of it. Ends 1 if one did not take it."""
    from ..alerting import receivers

    found = receivers(session.config)
    if not found:
        click.echo("nobody is told of alerts: set [alerts.mail] or [alerts.hook.<name>] in the configuration", err=True)
        return Code.FAILED
    taken = [_try(session, receiver) for receiver in found]
    heard = _try_heartbeat(session)
    return Code.DONE if all(taken) and heard else Code.FAILED


def _try(session: Session, receiver: Receiver) -> bool:
    import time

    from ..alerting import UndeliveredError, notice

    body = notice.body(
        receiver.name, session.instance, session.pages or "", [notice.trial()], session.config.alerts.handbook
    )
    try:
        where = receiver.described()
        # A number that no notice has, and that is new each time, or a mail program would show the first test alone.
        receiver.send(-int(time.time()), body)
    except UndeliveredError as error:
        click.echo(f"{receiver.name}: not taken: {error}")
        return False
    click.echo(f"{receiver.name}: taken ({where})")
    return True


def _try_heartbeat(session: Session) -> bool:
    from ..alerting import UndeliveredError
    from ..alerting.hook import place, post
    from ..alerting.wired import notifying

    url = notifying(session.config).heartbeat_url
    if not url:
        return True
    try:
        post(url, None, {"User-Agent": "headframe"})
    except UndeliveredError as error:
        click.echo(f"heartbeat: not taken: {error}")
        return False
    click.echo(f"heartbeat: taken ({place(url)})")
    return True


def _the_alert(session: Session, code: str, name: str) -> AlertRow:
    from ...statemachine.views.alerts import pick

    with session.asking() as ask:
        rows: Sequence[AlertRow] = ask.alerts("all", code)
    found = pick(rows, code, name)
    if found is None:
        raise not_found(f"there is no alert {code} {name}".rstrip(), "headframe alerts list --all")
    return found


def _named(row: AlertRow | HoldingAck) -> str:
    return f"{row.code} {row.name}".rstrip()


def _said(session: Session, said: str, *, dry_run: bool) -> int:
    click.echo(f"would have: {said}; nothing was changed" if dry_run else said)
    if not dry_run:
        link(session, "/alerts")
    return Code.DONE


COMMANDS = {"alerts": alerts}
