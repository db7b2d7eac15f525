"""`headframe failures`: failures that say the same, with their number, their onset and what they have in common."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from .codes import Code
from .columns import Column, field
from .get import paged
from .links import link
from .output import Output, output_options, write_rows
from .session import Session, pass_session
from .units import Duration

if TYPE_CHECKING:
    from ...statemachine.views import Listed, Page
    from .behind.contract import Questions

FAMILIES = (
    field("TIMES", "n", "number"),
    field("STEP"),
    field("REASON", "reason_code"),
    field("SAYS", "template"),
    Column("IN COMMON", lambda row: "; ".join(each.sentence for each in row.common)),
    field("FILES", kind="number"),
    field("RUNS", kind="number"),
    field("SINCE", "onset", "time"),
    field("LAST", kind="time"),
    field("SUCH AS", "example_name", wide=True),
    field("EVER", "total", "number", wide=True),
    field("LATEST", "example", wide=True),
    field("FAMILY", wide=True),
)


@click.command()
@click.option("--last", type=Duration(), default="24h", show_default=True, help="Of so much time before now; in hours.")
@click.option("--run", type=click.IntRange(min=0), help="Of this run.")
@click.option("--campaign", help="Of this campaign.")
@click.option("--step", help="At this step.")
@click.option("--reason-code", help="With this code.")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="At most so many; 0: all.")
@output_options
@pass_session
def failures(session: Session, /, last: float, limit: int, **options: Any) -> int:
    """List failures that say the same but for paths, hosts, names and numbers; the most frequent first.

    \b
    headframe failures --last 1h
    headframe failures --run 1234 -o wide
    """
    output = Output(options.pop("output"), not options.pop("no_headers"), options.pop("exact"))
    where = {"hours": max(1, round(last / 3600)), **_given(options)}
    rows = paged(session, partial(_families, where), limit)
    n = write_rows(rows, FAMILIES, output, session.zone, lambda row: str(row.family))
    if not n and output.is_table:
        click.echo("nothing failed in this time", err=True)
    if output.is_table:
        link(session, f"/failures?{urlencode(where)}", err=True)
    return Code.DONE


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _families(where: dict[str, Any], ask: Questions, page: Page) -> Listed[Any]:
    return ask.listed("failures", where, page)


COMMANDS = {"failures": failures}
