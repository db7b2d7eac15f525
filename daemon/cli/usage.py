"""`headframe usage`: what steps and pilots used: time, CPU time, memory, time in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .codes import Code, CommandError, not_found
from .columns import Column, field
from .links import link, link_campaign, link_run
from .output import Output, output_options, write_rows
from .session import Session, pass_session
from .subject import run_number
from .units import Duration, printable

if TYPE_CHECKING:
    from ...statemachine.views import StepsUsage
    from .behind.contract import Questions

KINDS = ("run", "campaign", "pilots")
MONTH_H = 24 * 30
HOUR_S = 3600

USAGE = (
    Column("STEP", lambda row: row.step or "all"),
    field("ATTEMPTS", kind="number"),
    field("SUCCEEDED", kind="number"),
    field("FAILED", kind="number"),
    field("INTERRUPTED", kind="number"),
    field("TIME", "wall_s", "lasting"),
    field("LOST", "lost_s", "lasting"),
    field("CPU TIME", "cpu_s", "lasting"),
    field("BUSY", "efficiency", "share"),
    field("MEMORY PEAK", "memory_peak", "size"),
    field("QUEUED MEAN", "queue_s", "lasting"),
    field("QUEUED 95%", "queue_p95_s", "lasting", wide=True),
    field("METERED", "metered_s", "lasting", wide=True),
)
PILOTS = (
    field("NAME"),
    field("PILOTS", kind="number"),
    field("LIVE", kind="number"),
    field("REFUSED", kind="number"),
    Column("NODE TIME", lambda row: row.node_hours * HOUR_S, "lasting"),
    Column("CPU TIME", lambda row: row.cpu_hours * HOUR_S, "lasting"),
    field("BUSY", "cpu_efficiency", "share"),
    field("MEMORY PEAK", "memory_peak", "size"),
    field("QUEUED MEAN", "queue_s", "lasting"),
    field("QUEUED MOST", "queue_most_s", "lasting"),
)


@click.command()
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.argument("name", required=False)
@click.option("--last", type=Duration(), help="Of so much time before now, in hours; else ever, of pilots a month.")
@output_options
@pass_session
def usage(session: Session, /, kind: str | None, name: str | None, last: float | None, **options: Any) -> int:
    """Say what steps used: of all campaigns, of one run or campaign; or what pilots used, by their names.

    TIME is that of all attempts, LOST that of those that came to nothing. BUSY is CPU time by time and processors, as
    far as the CPU time is known.

    \b
    headframe usage --last 24h
    headframe usage run 1234 -o wide
    headframe usage pilots --last 7d
    """
    output = Output(options.pop("output"), not options.pop("no_headers"), options.pop("exact"))
    _must_fit(kind, name, last)
    hours = None if last is None else max(1, round(last / HOUR_S))
    with session.asking() as ask:
        rows = ask.usage_of_pilots(hours or MONTH_H) if kind == "pilots" else lines(_steps(ask, kind, name, hours))
    columns = PILOTS if kind == "pilots" else USAGE
    n = write_rows(rows, columns, output, session.zone, lambda row: str(columns[0].get(row)))
    if output.is_table:
        if not n:
            click.echo("nothing was used in this time", err=True)
        _link(session, kind, name or "")
    return Code.DONE


def lines(found: StepsUsage | None) -> Sequence[Any]:
    """Give the rows of a table: each step, and all together where there is more than one."""
    if found is None:
        return ()
    return (*found.steps, found.total) if len(found.steps) > 1 else found.steps


def _must_fit(kind: str | None, name: str | None, last: float | None) -> None:
    if kind in ("run", "campaign"):
        if name is None:
            raise CommandError(f"name the {kind}: headframe usage {kind} <which>", Code.USAGE)
        if last is not None:
            raise CommandError(f"the usage of a {kind} is of all its time; leave --last out", Code.USAGE)
    elif name is not None:
        raise CommandError(f"the usage of pilots is by their names; leave {printable(name)} out", Code.USAGE)


def _steps(ask: Questions, kind: str | None, name: str | None, hours: int | None) -> StepsUsage:
    if kind is None:
        return ask.usage(hours)
    called = name or ""
    found = ask.usage_of_run(run_number(called)) if kind == "run" else ask.usage_of_campaign(called)
    if found is None:
        raise not_found(f"there is no {kind} {printable(called)}", f"headframe get {kind}s")
    return found


def _link(session: Session, kind: str | None, name: str) -> None:
    if kind == "run":
        link_run(session, run_number(name), err=True)
    elif kind == "campaign":
        link_campaign(session, name)
    else:
        link(session, "/pilots" if kind == "pilots" else "/latency", err=True)


COMMANDS = {"usage": usage}
