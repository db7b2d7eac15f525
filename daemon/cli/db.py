"""`headframe db`: the schema and who may use it, what takes room in it, and dropping old history."""

from __future__ import annotations

import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from ...statemachine.wording import plural
from .asking import change_options, confirm
from .backing import left_sentence, recovered
from .codes import Code, CommandError
from .columns import Column, field
from .dbroles import renew, roles
from .output import Output, output_options, write_rows
from .session import Session, pass_session
from .units import Duration, human_size, printable

if TYPE_CHECKING:
    from ...statemachine.store.prune import Month, Plan, Pruned

SHOWN = 20
LOST = "What goes is who did what, when and why, of those months; states, attempts, products and copies stay."
TABLES = (
    field("TABLE", "name"),
    field("ROWS", kind="number"),
    field("SIZE", kind="size"),
    field("INDEXES", kind="size"),
    field("GROWS"),
)
MONTHS = (
    field("MONTH", "called"),
    field("LINES", kind="number"),
    field("ITEMS", kind="number"),
    field("SIZE", kind="size"),
    Column("PARTITION", lambda month: month.name),
)


class MonthName(click.ParamType[date]):
    """A month as people write it, `2026-10`."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Give the first day of the month."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(f"{value}-01")
        except ValueError:
            self.fail(f"{value} is no month; write 2026-10", param, ctx)


@click.group()
def db() -> None:
    """Look after the database: its schema and roles, what takes room in it, old history, and a recovery."""


@db.command()
@pass_session
def upgrade(session: Session) -> int:
    """Make the database's schema, or bring it up to date. Safe to repeat."""
    from ...statemachine.database import explained, revisions
    from ...statemachine.database import upgrade as bring_up

    with explained():
        bring_up(session.engine, session.config.instance, tell=lambda line: click.echo(f"headframe: {line}", err=True))
        present, _ = revisions(session.engine)
        granted, missing = renew(session.engine, session.config)
    click.echo(f"the schema {session.config.instance} is at revision {present}")
    if granted:
        whose = "the database's roles have" if not missing else f"the roles {', '.join(granted)} have"
        click.echo(f"{whose} what they need in it")
    if granted and missing:
        lacking = f"{plural(len(missing), 'role')} of the database {'is' if len(missing) == 1 else 'are'} missing"
        click.echo(f"{lacking}: {', '.join(missing)}; to make what is missing: headframe db roles --apply", err=True)
    click.echo("next: headframe doctor")
    return Code.DONE


@db.command()
@click.option("--wait", is_flag=True, help="Wait until it is there and fits, as an init container does.")
@click.option(
    "--timeout", type=Duration(), help="With --wait: give up after so long (30s, 5m) and end 124; else never."
)
@pass_session
def check(session: Session, wait: bool, timeout: float | None) -> int:
    """Say whether this headframe may work on the database's schema; ends 1 where it may not, 6 where it is away."""
    from ...statemachine.compatibility import fit
    from ...statemachine.store.backups import left_aside

    if wait and not _waited(session, timeout):
        raise CommandError(f"the schema did not come to fit within {timeout:g} s", Code.TIMED_OUT)
    with session.looking() as conn:
        found = fit(conn)
        aside = left_aside(conn, session.config.instance)
    for name in aside:
        click.echo(left_sentence(name, session.config.instance), err=True)
    if not found.fits:
        raise CommandError(found.sentence)
    click.echo(f"this headframe may work on the schema {session.config.instance}: {found.sentence}")
    return Code.DONE


def _waited(session: Session, timeout: float | None) -> bool:
    from .. import fitting

    def tell(line: str) -> None:
        click.echo(f"headframe: waiting: {line}", err=True)

    return fitting.wait(session.engine, threading.Event(), tell, float("inf") if timeout is None else timeout)


@db.command()
@output_options
@pass_session
def sizes(session: Session, output: str, no_headers: bool, exact: bool) -> int:
    """List the tables with their sizes and what each grows with, the largest first."""
    from ...statemachine.views import sizes as ask

    with session.looking() as conn:
        rows = ask(conn)
    write_rows(rows, TABLES, Output(output, not no_headers, exact), session.zone, lambda row: row.name)
    return Code.DONE


@db.command("prune-history")
@click.option(
    "--before", type=MonthName(), required=True, metavar="YYYY-MM", help="Drop the months before this one (UTC)."
)
@click.option("--unchecked", is_flag=True, help="Do not check first that all history replays.")
@change_options
@pass_session
def prune_history(session: Session, before: date, unchecked: bool, reason: str, dry_run: bool, yes: bool) -> int:
    """Drop whole months of history, and keep from where each item is replayed.

    Stores a checkpoint for each item that the months touch, so that `headframe verify` goes on from there. The machine
    may run meanwhile. The present month stays. If it stops half-way, say it again.
    """
    from ...statemachine.database import explained
    from ...statemachine.store import prune

    with session.looking() as conn:
        planned = prune.plan(conn, before)
    _show(planned, session)
    if not planned.months:
        click.echo(f"nothing to drop: no month of history before {before:%Y-%m} is there")
        return Code.DONE
    if not unchecked:
        _check(session)
    what = f"{plural(len(planned.months), 'month')}, {plural(planned.lines, 'line')} of {plural(planned.items, 'item')}"
    if dry_run:
        click.echo(f"would have dropped {what}, {human_size(planned.size)}; nothing was changed")
        click.echo(LOST)
        return Code.DONE
    confirm(f"drop {what}? {LOST}", yes=yes)
    with explained():
        did = prune.prune(session.engine, before, actor=session.actor, reason=reason, tell=_dropped)
    return _told(did)


def _show(planned: Plan, session: Session) -> None:
    write_rows(planned.months, MONTHS, Output(), session.zone, lambda month: month.name)
    if planned.months and planned.late:
        click.echo(f"and {plural(planned.late, 'report')} that came too late")
    if planned.unmoved:
        line = f"{plural(planned.unmoved, 'line')} came when no month had been made ready, and stay"
        click.echo(f"{line}: keep a sweeper running", err=True)


def _check(session: Session) -> None:
    """Drop no evidence: what does not replay now will not be found afterwards. Ends with what is broken."""
    from ...statemachine import verify

    broken = 0
    with session.looking() as conn:
        verify.keep_history(conn)
        for fault in (fault for check in verify.history_checks() for fault in check.run(conn)):
            broken += 1
            if broken <= SHOWN:
                click.echo(f"{fault.code}  {printable(fault.subject)}: {printable(fault.sentence)}")
    if broken:
        sentence = f"history has {plural(broken, 'fault')}, and these months may be the evidence; nothing was dropped"
        raise CommandError(sentence, next_step="headframe verify; --unchecked drops them all the same")


def _dropped(month: Month) -> None:
    click.echo(f"dropped {month.called}: {plural(month.lines, 'line')}, {human_size(month.size)}")


def _told(did: Pruned) -> int:
    if did.late:
        click.echo(f"dropped {plural(did.late, 'report')} that came too late")
    if did.left:
        left = ", ".join(month.called for month in did.left)
        click.echo(f"stayed: {left}; {did.blocked}. Nothing is half done; say it again later", err=True)
        return Code.PARTLY if did.months else Code.FAILED
    click.echo("next: headframe verify")
    return Code.DONE


db.add_command(roles)
db.add_command(recovered)
COMMANDS = {"db": db}
