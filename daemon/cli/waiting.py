"""`headframe wait`: until runs or files have reached a state."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from .codes import Code, CommandError
from .links import link_file, link_run
from .session import Session, pass_session
from .subject import the_file, the_run
from .units import Duration, printable

if TYPE_CHECKING:
    from .behind.contract import Questions

LOOK = 0.5
"""How often to look, in seconds."""


@click.command()
@click.option("--for", "wanted", required=True, metavar="CONDITION", help="state=NAME (or later), phase=NAME, or done.")
@click.option("--timeout", type=Duration(), help="Give up after so long (30s, 5m, 2h) and end 124; else never.")
@click.argument("kind", type=click.Choice(("run", "file")))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@pass_session
def wait(session: Session, wanted: str, timeout: float | None, kind: str, names: tuple[str, ...]) -> int:
    """Wait until all of these runs or files fulfil a condition.

    \b
    headframe wait --for state=cataloged run 1234 --timeout 10m
    """
    what, value = _condition(wanted)
    left = list(names)
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        there: list[str] = []
        with session.asking() as ask:
            for name in list(left):
                if _fulfilled(ask, kind, name, what, value):
                    left.remove(name)
                    click.echo(f"{kind} {printable(name)}: {wanted}")
                    there.append(name)
        for name in there:
            link_run(session, int(name)) if kind == "run" else link_file(session, name)
        if not left:
            return Code.DONE
        if end is not None and time.monotonic() >= end:
            raise _timed_out(session, kind, left, wanted)
        time.sleep(LOOK if end is None else max(0.0, min(LOOK, end - time.monotonic())))


def _condition(wanted: str) -> tuple[str, str]:
    what, _, value = wanted.partition("=")
    if what == "done" and not value:
        return "phase", "done"
    if what not in ("state", "phase") or not value:
        raise click.UsageError(f"--for {wanted}: write state=NAME, phase=NAME or done")
    return what, value


def _fulfilled(ask: Questions, kind: str, name: str, what: str, value: str) -> bool:
    if kind == "run":
        found = the_run(ask, name)
        state, phase, states = found.row.state, found.row.phase, found.states
    else:
        file = the_file(ask, name)
        states = the_run(ask, str(file.run)).states
        state, phase = (file.items[0].state, file.items[0].phase) if file.items else ("", "")
    if what == "phase":
        return phase == value
    if states and value not in states:
        raise CommandError(f"there is no state {value}; {kind} {printable(name)} has {', '.join(states)}", Code.USAGE)
    return state in states and states.index(state) >= states.index(value)


def _timed_out(session: Session, kind: str, left: list[str], wanted: str) -> CommandError:
    with session.asking() as ask:
        answer = ask.why_run(int(left[0])) if kind == "run" else ask.why_file(left[0])
    because = f" ({answer.code}: {answer.sentence})" if answer else ""
    names = ", ".join(printable(name) for name in left[:5])
    more = f" and {len(left) - 5} more" if len(left) > 5 else ""
    sentence = f"timed out: {kind} {names}{more} not {wanted} yet{because}"
    return CommandError(sentence, Code.TIMED_OUT, next_step=f"headframe why {kind} {printable(left[0])}")


COMMANDS = {"wait": wait}
