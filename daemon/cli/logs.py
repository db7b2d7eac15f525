"""`headframe logs`: the log of a file's attempt."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .codes import Code, CommandError, not_found
from .session import Session, pass_session
from .subject import the_file, the_run
from .units import printable

if TYPE_CHECKING:
    from ...statemachine.views import AttemptRow

CHUNK = 1 << 16


@click.command()
@click.argument("names", metavar="FILE | run RUN", nargs=-1, required=True)
@click.option("--attempt", type=click.IntRange(min=1), help="Of this epoch; else the latest that has a log.")
@click.option("--step", help="Of this step.")
@click.option("--run", type=click.IntRange(min=0), help="The file of this run.")
@click.option("--tail", type=click.IntRange(min=0), help="Only the last lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
@pass_session
def logs(
    session: Session,
    names: tuple[str, ...],
    attempt: int | None,
    step: str | None,
    run: int | None,
    tail: int | None,
    follow: bool,
) -> int:
    """Print the log of a file's attempt, or of a run-scope step's with `run RUN`."""
    found = _attempts(session, names, run)
    chosen = [a for a in found if attempt in (None, a.epoch) and step in (None, a.step)]
    with_log = [a for a in chosen if a.log]
    if not with_log:
        raise _nothing(found, chosen, names)
    path = _path(session, with_log[-1])
    click.echo(_heading(with_log[-1], path), err=True)
    _print(path, tail, follow=follow)
    return Code.DONE


def _attempts(session: Session, names: tuple[str, ...], run: int | None) -> tuple[AttemptRow, ...]:
    from ...statemachine.views import attempts_of

    with session.looking() as conn:
        if names[0] == "run" and len(names) == 2:
            item = the_run(conn, names[1]).row.item
            return attempts_of(conn, [item]) if item is not None else ()
        name = names[1] if names[0] == "file" and len(names) == 2 else names[0]
        return the_file(conn, name, run).attempts


def _nothing(found: tuple[AttemptRow, ...], chosen: list[AttemptRow], names: tuple[str, ...]) -> CommandError:
    name = printable(" ".join(names))
    if not found:
        return not_found(f"{name} has not been tried yet, so there is no log", f"headframe why file {name}")
    if not chosen:
        epochs = ", ".join(f"{a.epoch} ({a.step})" for a in found)
        return not_found(f"{name} has no such attempt; it has {epochs}")
    return not_found(f"no attempt at {name} has kept a log", f"headframe describe file {name}")


def _path(session: Session, attempt: AttemptRow) -> Path:
    if not attempt.log_site:
        return session.config.folder / attempt.log
    if attempt.log_site not in session.config.sites:
        raise not_found(f"the log is {attempt.log} at site {attempt.log_site}, which is not configured here")
    return session.config.site(attempt.log_site).open_path(attempt.log)


def _heading(attempt: AttemptRow, path: Path) -> str:
    reason = f" ({attempt.reason_code})" if attempt.reason_code else ""
    return f"attempt {attempt.epoch} at {attempt.step} on {attempt.host}: {attempt.outcome}{reason}; {path}"


def _print(path: Path, tail: int | None, *, follow: bool) -> None:
    try:
        source = path.open("rb")
    except FileNotFoundError as error:
        raise not_found(f"the log {path} is not there; perhaps it lies on the worker's host") from error
    with source:
        if tail is not None:
            _skip(source, tail)
        while True:
            while chunk := source.read(CHUNK):
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            if not follow:
                return
            time.sleep(0.5)


def _skip(source: object, tail: int) -> None:
    """Go to where the last `tail` lines begin."""
    from collections import deque

    starts: deque[int] = deque(maxlen=tail + 1)
    place = 0
    for line in source:  # type: ignore[attr-defined]
        starts.append(place)
        place += len(line)
    source.seek(starts[-tail] if 0 < tail <= len(starts) else place if not tail else 0)  # type: ignore[attr-defined]


COMMANDS = {"logs": logs}
