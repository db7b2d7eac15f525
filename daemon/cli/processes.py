"""The processes. Each command only starts what another module does."""

from __future__ import annotations

from pathlib import Path

import click

from .codes import Code
from .session import Session, pass_session


@click.command()
@pass_session
def up(session: Session) -> int:
    """Run everything in one process tree, with embedded servers where so configured, until Ctrl-C."""
    from .. import up as module

    module.run(session.config)
    return Code.DONE


@click.command()
@click.option("--exit", "exit_when_done", is_flag=True, help="Leave when all is cataloged.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to put everything.")
def demo(exit_when_done: bool, folder: Path | None) -> int:
    """Show it: a simulated detector writes runs, and they come out cataloged."""
    from .. import demo as module

    return module.run(exit_when_done, folder)


@click.command()
@pass_session
def watch(session: Session) -> int:
    """Watch the inboxes and tell the conductor what arrives."""
    from ..processes import run_watch

    run_watch(session.config)
    return Code.DONE


@click.command()
@pass_session
def conductor(session: Session) -> int:
    """Apply arrivals and reports, and send work out. The only one that changes states."""
    from ..processes import run_conductor

    run_conductor(session.config)
    return Code.DONE


@click.command()
@pass_session
def sweeper(session: Session) -> int:
    """Take back what lost its worker, and repair what got lost on the way."""
    from ..processes import run_sweeper

    run_sweeper(session.config)
    return Code.DONE


@click.command()
@pass_session
def worker(session: Session) -> int:
    """Do steps, as configured for this host, until told to drain."""
    from ..processes import run_worker

    run_worker(session.config)
    return Code.DONE


@click.command()
@pass_session
def web(session: Session) -> int:
    """Serve the pages, health and metrics."""
    from ..processes import run_web

    run_web(session.config)
    return Code.DONE


COMMANDS = {
    "up": up,
    "demo": demo,
    "watch": watch,
    "conductor": conductor,
    "sweeper": sweeper,
    "worker": worker,
    "web": web,
}
