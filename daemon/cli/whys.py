"""`headframe why`: one screen that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .codes import Code
from .links import link_file, link_run
from .output import write_one
from .session import Session, pass_session
from .subject import run_number, run_or_file, the_file, the_run
from .text import Screen

if TYPE_CHECKING:
    from ...statemachine.why import Why


@click.command()
@run_or_file
@click.option("--campaign", help="A file in this campaign, instead of its run's own.")
@click.option("-o", "--output", type=click.Choice(("table", "json", "yaml")), default="table", help="Format.")
@pass_session
def why(session: Session, kind: str, name: str, campaign: str | None, output: str) -> int:
    """Say why a run or file is where it is, who must act, and which command unblocks it."""
    with session.asking() as ask:
        answer = ask.why_run(run_number(name)) if kind == "run" else ask.why_file(name, campaign)
        if answer is None:
            _ = the_run(ask, name) if kind == "run" else the_file(ask, name)
            return Code.NOT_FOUND
    if output == "table":
        screen(session, answer).show()
        link_run(session, run_number(name)) if kind == "run" else link_file(session, name)
    else:
        write_one(answer, output)
    return Code.DONE


def screen(session: Session, answer: Why) -> Screen:
    """Write the answer on one screen."""
    shown = Screen(session.zone)
    place = " ".join(part for part in (answer.state, answer.phase) if part)
    shown.title(f"{answer.subject}: {answer.code}", place)
    shown.text(f"  {answer.sentence}", "")
    since = shown.write(answer.since, "time") + f" ({shown.write(answer.since, 'age')} ago)" if answer.since else None
    shown.fields([("since", since), ("in hand of", answer.owner), ("who must act", str(answer.who))])
    shown.fields([("next try", answer.next_try), ("by itself", answer.check), ("next check", answer.next_check)])
    if answer.evidence:
        shown.text("", *(f"  - {line}" for line in answer.evidence))
    if answer.command:
        shown.text("", f"next: {answer.command}")
    return shown


COMMANDS = {"why": why}
