"""`headframe verify` and `headframe doctor`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ...statemachine.wording import plural
from .codes import Code
from .output import to_json
from .session import Session, pass_session
from .units import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sqlalchemy import Connection

    from ...statemachine.verify import Check, Fault
    from ..config import Config

SHOWN = 20
SETTLES = 3.0
"""After how many seconds to look again at what may be broken for a moment."""


@click.command()
@click.option("--deep", is_flag=True, help="Read every present replica: size and both checksums.")
@click.option("-o", "--output", type=click.Choice(("table", "json")), default="table", help="json: a line a fault.")
@click.option("--all", "every", is_flag=True, help="Show every fault, not the first few of each kind.")
@pass_session
def verify(session: Session, deep: bool, output: str, every: bool) -> int:
    """Check every invariant of the machine. Ends 1 with what is broken."""
    from ...statemachine import verify as module

    broken = 0
    checks = module.checks(_inboxes(session.config), _resolver(session.config) if deep else None)
    with session.looking() as conn:
        module.keep_history(conn)
        for check in checks:
            found = _settled(session, check, conn) if check.settles else check.run(conn)
            faults = _tell(found, output, every=every)
            if output == "table":
                _say(check.title, faults, every=every)
            broken += faults
    if broken:
        click.echo(f"{plural(broken, 'fault')}; headframe describe shows the history of a file or run", err=True)
        return Code.FAILED
    return Code.DONE


def _settled(session: Session, check: Check, conn: Connection) -> list[Fault]:
    """Look twice, some time apart: what is broken only for a moment on a live machine is not broken."""
    found = list(check.run(conn))
    if not found:
        return found
    time.sleep(SETTLES)
    with session.looking() as later:
        again = set(check.run(later))
    return [fault for fault in found if fault in again]


def _tell(faults: Iterable[Fault], output: str, *, every: bool) -> int:
    n = 0
    for n, fault in enumerate(faults, 1):
        if output == "json":
            click.echo(to_json(fault))
        elif every or n <= SHOWN:
            click.echo(f"{fault.code}  {printable(fault.subject)}: {printable(fault.sentence)}")
    return n


def _say(title: str, faults: int, *, every: bool) -> None:
    if faults > SHOWN and not every:
        click.echo(f"... and {faults - SHOWN:,} more; --all shows them")
    mark = click.style("FAIL", fg="red") if faults else click.style("ok  ", fg="green")
    click.echo(f"{mark}  {title}" + (f": {plural(faults, 'fault')}" if faults else ""))


def _inboxes(config: Config) -> tuple[tuple[str, str], ...]:
    return tuple((inbox.site, inbox.path) for inbox in config.inboxes.values())


def _resolver(config: Config) -> Callable[[str, str], Path]:
    def resolve(site: str, path: str) -> Path:
        return config.site(site).open_path(path)

    return resolve


@click.command()
@pass_session
def doctor(session: Session) -> int:
    """Check that all it needs is here, reachable and of the right version. Ends 1 if something fails."""
    from ..doctor import examine
    from ..finding import Finding

    marks = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}
    worst = Code.DONE

    def tell(finding: Finding) -> None:
        nonlocal worst
        word, colour = marks[finding.level]
        todo = f"; {finding.todo}" if finding.todo and finding.level != "ok" else ""
        click.echo(f"{click.style(word, fg=colour)}  {finding.what}: {printable(finding.sentence)}{todo}")
        if finding.level == "fail":
            worst = Code.UNREACHABLE if finding.unreachable and worst is not Code.FAILED else Code.FAILED

    session.at_host()
    for finding in examine(session.config_file, session.environ):
        tell(finding)
    return worst


COMMANDS = {"verify": verify, "doctor": doctor}
