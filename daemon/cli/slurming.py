"""`headframe slurm`: whether pilots can be started on this cluster, and can work there; the script they start with."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .codes import Code, not_found
from .output import to_json
from .session import Session, pass_session
from .units import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..config import Config
    from ..finding import Finding
    from ..slurm.contract import Batch

MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}
WAIT_S = 600
output_option = click.option(
    "-o", "--output", type=click.Choice(("table", "json")), default="table", help="json: a line a finding."
)


@click.group()
def slurm() -> None:
    """Check a cluster for pilots, and show the script that they start with."""


@slurm.command()
@click.option("--pilot", "only", metavar="NAME", multiple=True, help="Pilots of this name; may be said again.")
@click.option("--inside", is_flag=True, help="Submit a small job for each name that looks at its node, and wait.")
@click.option(
    "--wait", "wait_s", type=click.IntRange(10), default=WAIT_S, help=f"With --inside: seconds, {WAIT_S} by default."
)
@output_option
@pass_session
def doctor(session: Session, only: Sequence[str], inside: bool, wait_s: int, output: str) -> int:
    """Check all that pilots need on this cluster. Ends 1 if something fails.

    Run it where the launcher runs, as its user. Nothing is changed; --inside submits jobs, and removes what they leave.
    """
    from ..config import ConfigError
    from ..slurm.doctor.inside import examine_inside
    from ..slurm.doctor.login import examine

    session.at_host()
    telling = Telling(output)
    try:
        config = _with_token(session)
    except ConfigError as error:
        return telling.mistakes(error.mistakes)
    names = _names(config, only)
    made: list[Batch] = []

    def choose() -> tuple[Batch, str]:
        batch, why = _back_end(config)
        made.append(batch)
        return batch, why

    for finding in examine(config, names, choose, session.environ):
        telling.tell(finding)
    if inside and made:
        # Closed at once, whatever happens here: that ends the jobs.
        with closing(examine_inside(config, names, made[0], wait_s, lambda line: click.echo(line, err=True))) as looks:
            for finding in looks:
                telling.tell(finding)
    elif not inside and names:
        click.echo("next: headframe slurm doctor --inside looks from a node", err=True)
    return telling.worst


@slurm.command("doctor-inside")
@click.option("--pilot", "name", metavar="NAME", required=True, help="For pilots of this name.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="Where the answer goes.")
@output_option
@pass_session
def doctor_inside(session: Session, name: str, out: Path, output: str) -> int:
    """Look at this node, from inside a job: what `doctor --inside` submits. Ends 1 if something fails."""
    from ..slurm.doctor.node import visit

    session.at_host()
    telling = Telling(output)
    for finding in visit(session.config_file, name, out, session.environ).findings:
        telling.tell(finding)
    return telling.worst


@slurm.command()
@click.argument("name")
@click.option("--large", is_flag=True, help="The one for work that ran out of time or memory.")
@pass_session
def script(session: Session, name: str, large: bool) -> int:
    """Print the job script of pilots of this name, as the launcher would submit it."""
    from ..slurm.doctor.trial import token
    from ..slurm.script import Wanted, render

    config = session.config
    _names(config, (name,))
    wanted = Wanted(token=token(config.instance), name=name, large=large)
    click.echo(render(config, wanted).script, nl=False)
    return Code.DONE


class Telling:
    """Prints findings as they come, and remembers whether one was a failure."""

    def __init__(self, output: str) -> None:
        self.output, self.worst = output, Code.DONE

    def tell(self, finding: Finding) -> None:
        """Print one."""
        if finding.level == "fail":
            self.worst = Code.FAILED
        if self.output == "json":
            click.echo(to_json(finding._asdict()))
            return
        word, colour = MARKS[finding.level]
        todo = f"; {finding.todo}" if finding.todo and finding.level != "ok" else ""
        line = f"{printable(finding.what)}: {printable(finding.sentence)}{printable(todo)}"
        click.echo(f"{click.style(word, fg=colour)}  {line}")

    def mistakes(self, found: Sequence[str]) -> Code:
        """Print the mistakes of a configuration."""
        from ..finding import Finding

        for mistake in found:
            self.tell(Finding("fail", "configuration", mistake, "mend it; headframe config check repeats only this"))
        return self.worst


def _names(config: Config, only: Sequence[str]) -> tuple[str, ...]:
    """Give the names of pilots that are meant, all where none is named."""
    for name in only:
        if name not in config.pilots:
            there = ", ".join(config.pilots) or "none is configured"
            raise not_found(f"there is no [pilot.{name}]; there are: {there}")
    return tuple(dict.fromkeys(only)) or tuple(config.pilots)


def _with_token(session: Session) -> Config:
    """Give the configuration, with the token's file from where the launcher would take it too."""
    import msgspec

    config, named = session.config, session.environ.get("HEADFRAME_TOKEN_FILE", "").strip()
    file = config.launcher.token_file or session.token_file or (Path(named) if named else None)
    return msgspec.structs.replace(config, launcher=msgspec.structs.replace(config.launcher, token_file=file))


def _back_end(config: Config) -> tuple[Batch, str]:
    from ..slurm.choose import choose

    chosen = choose(config.launcher)
    return chosen.batch, chosen.reason


COMMANDS = {"slurm": slurm}
