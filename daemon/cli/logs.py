"""`headframe logs`: the log of a file's attempt."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from .codes import Code, CommandError, not_found
from .links import link_file, link_run
from .session import Session, pass_session
from .subject import the_file, the_run
from .units import printable

if TYPE_CHECKING:
    from ...statemachine.views import AttemptRow, FileRow


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
    with_log = [a for a in chosen if a.log] or chosen[-1:]  # whose worker died before it said where, is found by name
    if not with_log:
        raise _nothing(found, chosen, names)
    with session.asking() as ask:
        log = ask.log(with_log[-1])
    click.echo(_heading(with_log[-1], log.place), err=True)
    _link(session, with_log[-1])  # before a log that may go on without end
    for piece in log.read(tail, follow=follow):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    return Code.DONE


def _attempts(session: Session, names: tuple[str, ...], run: int | None) -> tuple[AttemptRow, ...]:
    with session.asking() as ask:
        if names[0] == "run" and len(names) == 2:
            item = the_run(ask, names[1]).row.item
            return ask.attempts_at(item) if item is not None else ()
        name = names[1] if names[0] == "file" and len(names) == 2 else names[0]
        file = the_file(ask, name, run)
        return file.attempts or tuple(_unsaid(item) for item in file.items if item.phase == "submitted")


def _unsaid(item: FileRow) -> AttemptRow:
    """Give the attempt at what has been sent out, as long as no worker has said that it has begun."""
    from ...statemachine.views import AttemptRow

    return AttemptRow(
        item=item.item,
        epoch=item.epoch,
        run=item.run,
        file=item.name,
        campaign=item.campaign,
        step=item.step,
        owner="",
        host="",
        job="",
        started_at=None,
        ended_at=None,
        outcome="not heard of yet",
        reason_code="",
        reason="",
        log_site="",
        log="",
        usage={},
    )


def _link(session: Session, attempt: AttemptRow) -> None:
    if attempt.file:
        link_file(session, attempt.file, attempt.run, err=True)
    else:
        link_run(session, attempt.run, err=True)


def _nothing(found: tuple[AttemptRow, ...], chosen: list[AttemptRow], names: tuple[str, ...]) -> CommandError:
    name = printable(" ".join(names))
    named = name if names[0] in ("run", "file") else f"file {name}"
    if not found and names[0] == "run":
        return not_found(f"{name} has no log of its own, its files have: logs FILE", f"headframe get files --{name}")
    if not found:
        return not_found(f"{name} has not been tried yet, so there is no log", f"headframe why {named}")
    if not chosen:
        epochs = ", ".join(f"{a.epoch} ({a.step})" for a in found)
        return not_found(f"{name} has no such attempt; it has {epochs}")
    return not_found(f"no attempt at {name} has kept a log", f"headframe describe {named}")


def _heading(attempt: AttemptRow, place: str) -> str:
    reason = f" ({attempt.reason_code})" if attempt.reason_code else ""
    on = f" on {attempt.host}" if attempt.host else ""
    return f"attempt {attempt.epoch} at {attempt.step}{on}: {attempt.outcome}{reason}; {place}"


COMMANDS = {"logs": logs}
