"""The processes. Each command only starts what another module does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ...statemachine.lanes import LANES
from .codes import Code
from .session import Session, pass_session


@click.command()
@pass_session
def up(session: Session) -> int:
    """Run everything in one process tree, with embedded servers where so configured, until Ctrl-C."""
    from .. import up as module

    module.run(session.config)
    return Code.DONE


def lanes_option(what: str) -> Callable[[Any], Any]:
    """Add `--lanes`, which can be repeated, or have several with commas; both lanes where it is not given."""
    return click.option("--lanes", multiple=True, callback=_lanes, metavar="live|bulk", help=f"{what} Default: both.")


def _lanes(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    named = [lane.strip() for words in value for lane in words.split(",")] or list(LANES)
    for lane in named:
        if lane not in LANES:
            raise click.BadParameter(f"there is no lane {lane!r}; expected live, bulk, or live,bulk")
    return tuple(lane for lane in LANES if lane in named)


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
@lanes_option("Conduct these lanes only, beside another process for the other.")
@pass_session
def conductor(session: Session, lanes: tuple[str, ...]) -> int:
    """Apply arrivals and reports, and send work out. The only one that changes states."""
    from ..processes import run_conductor

    run_conductor(session.config, lanes=lanes)
    return Code.DONE


@click.command()
@pass_session
def sweeper(session: Session) -> int:
    """Take back what lost its worker, and repair what got lost on the way."""
    from ..processes import run_sweeper

    run_sweeper(session.config)
    return Code.DONE


@click.command()
@lanes_option("Take work of these lanes only; live work comes first.")
@pass_session
def worker(session: Session, lanes: tuple[str, ...]) -> int:
    """Do steps, as configured for this host, until told to drain."""
    from ..processes import run_worker

    run_worker(session.config, lanes=lanes)
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
