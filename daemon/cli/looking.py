"""`headframe status`: the whole instance on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .codes import Code
from .columns import PAUSES, Column, field
from .links import link
from .output import write_one
from .session import Session, pass_session
from .text import Screen

if TYPE_CHECKING:
    from ...statemachine.views import Need, Status

QUEUES = (
    field("STEP"),
    field("LANE"),
    field("READY", kind="number"),
    field("SUBMITTED", kind="number"),
    field("EXECUTING", kind="number"),
    field("FAILED", kind="number"),
    field("HELD", kind="number"),
    field("WORKERS", kind="number"),
)
PROCESSES = (
    Column("ROLE", lambda row: row[0]),
    Column("ALIVE", lambda row: row[1], "number"),
    Column("HOSTS", lambda row: row[2]),
)


@click.command()
@click.option("-o", "--output", type=click.Choice(("table", "json", "yaml")), default="table", help="Format.")
@pass_session
def status(session: Session, output: str) -> int:
    """Show the whole instance on one screen. Ends 1 if something needs somebody."""
    with session.asking() as ask:
        found = ask.status()
    if output == "table":
        _screen(session, found).show()
        link(session, "/status")
    else:
        write_one(found, output)
    return Code.FAILED if found.problems else Code.DONE


def _screen(session: Session, found: Status) -> Screen:
    screen = Screen(session.zone)
    screen.title(f"headframe {session.instance}", "" if found.problems else "all is well")
    screen.fields([("as of", found.at), ("runs", _counts(found.runs)), ("files", _counts(found.files))])
    screen.fields([("left out", found.left_out or None)])
    screen.fields([("dead letters", found.dead_letters or None), ("to settle", found.waiting_settle or None)])
    if found.problems:
        screen.text("", *(_problem(problem) for problem in found.problems))
    screen.table("Queues", found.queues, QUEUES)
    screen.table("Processes", _by_role(found), PROCESSES)
    screen.table("Paused", found.pauses, PAUSES)
    if found.problems:
        screen.text("", f"next: {_next(found, alone=session.alone)}")
    return screen


def _problem(problem: Need) -> str:
    return f"! {problem.sentence}" + (f" ({problem.known})" if problem.known else "")


def _counts(states: dict[str, dict[str, int]]) -> str:
    parts = []
    for state, phases in states.items():
        other = ", ".join(f"{n} {phase}" for phase, n in phases.items() if phase not in ("done", "ready", "waiting"))
        parts.append(f"{sum(phases.values()):,} {state}" + (f" ({other})" if other else ""))
    return "; ".join(parts) or "none"


def _by_role(found: Status) -> list[Any]:
    roles: dict[str, list[str]] = {}
    for process in found.processes:
        roles.setdefault(process.role, []).append(process.host)
    return [(role, len(hosts), ", ".join(sorted(set(hosts))[:8])) for role, hosts in sorted(roles.items())]


def _next(found: Status, *, alone: bool) -> str:
    """Name the command for the first of the problems; `alone` says that everything runs in one process tree."""
    first = found.problems[0]
    if first.code in ("no-conductor", "no-sweeper", "no-worker"):
        return "headframe up" if alone else first.command
    return first.command


COMMANDS = {"status": status}
