"""`headframe config`: check the configuration, preview which names match what."""

from __future__ import annotations

from pathlib import Path

import click

from ...statemachine.wording import plural
from ..tracing.wired import INSTALL, absent
from .codes import Code, CommandError
from .columns import Column, field
from .output import Output, output_options, write_rows
from .session import Session, pass_session


@click.group()
def config() -> None:
    """Check the configuration."""


ROWS = (
    field("NAME"),
    field("RESULT"),
    field("INBOX"),
    field("RUN", kind="number"),
    field("SEQ", "sequence", "number"),
    Column("TYPE", lambda row: row.kind if row.known_type or not row.kind else f"{row.kind} (unknown: held)"),
    field("WHY", "sentence"),
)
GOOD = ("file", "manifest", "semaphore", "ignored")


@config.command()
@click.option(
    "--against",
    metavar="LISTING",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A file of paths, one a line (- reads standard input): show which run, type and sequence each matches.",
)
@output_options
@pass_session
def check(session: Session, against: Path | None, output: str, no_headers: bool, exact: bool) -> int:
    """Name every mistake of the configuration with its key and what is allowed. Ends 1 if there is one.

    With a listing, ends 3 if a name in it would not be taken.
    """
    found = session.config
    if against is not None:
        return _preview(session, against, Output(output, not no_headers, exact))
    inboxes = "1 inbox" if len(found.inboxes) == 1 else f"{len(found.inboxes)} inboxes"
    click.echo(
        f"{found.source}: good; {plural(len(found.sites), 'site')}, {inboxes}, "
        f"run types {', '.join(found.run_types) or 'none'}, pipelines {', '.join(found.pipeline)}"
    )
    if lacking := absent(found):
        click.echo(f"note: {lacking}; needed only where a sweeper or headframe up runs: {INSTALL}")
    click.echo("next: headframe doctor, or headframe config check --against listing.txt")
    return Code.DONE


def _preview(session: Session, against: Path, output: Output) -> int:
    from ..config.preview import preview

    with click.open_file(str(against), encoding="utf-8", errors="surrogateescape") as source:
        rows = list(preview(session.config, source))
    if not rows:
        raise CommandError(f"{against} lists no path", Code.USAGE)
    write_rows(rows, ROWS, output, session.zone, lambda row: row.name)
    bad = sum(row.result not in GOOD for row in rows)
    if bad:
        click.echo(f"{plural(bad, 'name')} of {len(rows):,} would not be taken", err=True)
    return Code.PARTLY if bad else Code.DONE


COMMANDS = {"config": config}
