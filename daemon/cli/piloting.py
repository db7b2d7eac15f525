"""`headframe pilot`: what a job on a compute node runs."""

from __future__ import annotations

import click

from .codes import Code
from .session import Session, pass_session


def _expected(ctx: click.Context, option: click.Parameter, value: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for words in value:
        step, _, seconds = words.partition("=")
        try:
            found[step] = float(seconds)
        except ValueError as error:
            raise click.BadParameter(
                f"{words!r} is not a step and its seconds; expected reconstruct=12.5", ctx, option
            ) from error
    return found


@click.command()
@click.option("--name", required=True, help="The kind of pilot: [pilot.NAME] of the configuration.")
@click.option("--token", required=True, help="The name of its job, by which the launcher knows it.")
@click.option("--large", is_flag=True, help="Take what ran out of time or memory first.")
@click.option("--stay", is_flag=True, help="Do not leave when idle: it is one of those that are always kept.")
@click.option(
    "--expect", multiple=True, metavar="STEP=SECONDS", callback=_expected, help="How long a step takes; repeat it."
)
@click.option(
    "--walltime", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="How long the job lasts."
)
@pass_session
def pilot(
    session: Session, name: str, token: str, large: bool, stay: bool, expect: dict[str, float], walltime: float
) -> int:
    """Run workers on this node of a cluster, and leave in time. The launcher's job scripts call it.

    SIGUSR1: finish what runs, take nothing more, leave. SIGTERM: hand back what runs, leave at once.
    """
    from ..pilot.running import run

    done = run(session.config, name, token, large=large, stay=stay, expected=expect, walltime_s=walltime)
    return done or Code.DONE


COMMANDS = {"pilot": pilot}
