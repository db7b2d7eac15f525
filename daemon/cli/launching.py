"""`headframe launcher`: keep pilots on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .codes import Code, CommandError
from .session import Session, pass_session

if TYPE_CHECKING:
    from ...client import ProblemError


@click.command()
@click.option("--once", is_flag=True, help="Do one round and leave. Only a lasting launcher judges what takes time.")
@click.option("--dry-run", is_flag=True, help="Print the scripts, and what would be done; submit nothing.")
@pass_session
def launcher(session: Session, once: bool, dry_run: bool) -> int:
    """Keep as many pilots on a cluster as there is work for, until told to stop; pilots are left running.

    Needs a batch system's commands and the REST API ([launcher] url), nothing else.
    """
    from ...client import ProblemError
    from ..launcher import running
    from ..launcher.lock import LockedError
    from ..slurm.contract import BatchError

    config, token_file = session.config, _token_file(session)
    try:
        if dry_run:
            return _preview(session, token_file)
        if once:
            waits = running.once(config, token_file=token_file)
            if waits:
                raise CommandError(waits, Code.UNREACHABLE)
            return Code.DONE
        from .. import logs
        from ..stopping import LEAVE_S, stopping

        logs.set_up(config)
        running.run(config, stopping(LEAVE_S), token_file=token_file)
    except LockedError as error:
        raise CommandError(str(error)) from error
    except BatchError as error:
        raise CommandError(str(error), Code.UNREACHABLE) from error
    except ProblemError as error:
        raise _not_let_in(session, error) from error
    return Code.DONE


def _preview(session: Session, token_file: Path | None) -> int:
    import threading

    from ..launcher import running
    from ..launcher.lock import Lock
    from ..launcher.preview import Preview

    config = session.config
    made = running.make(config, threading.Event(), Lock.last_owner(config), token_file=token_file)
    preview = Preview(config, made.batch)
    for line in (*preview.scripts(), *preview.plans(made)):
        click.echo(line)
    if preview.wrong:
        return Code.FAILED
    return Code.UNREACHABLE if preview.unreachable else Code.DONE


def _token_file(session: Session) -> Path | None:
    named = session.environ.get("HEADFRAME_TOKEN_FILE", "").strip()
    return session.token_file or (Path(named) if named else None)


def _not_let_in(session: Session, error: ProblemError) -> CommandError:
    settings = session.config.launcher
    where = settings.token_file or _token_file(session)
    todo = f"look at the token in {where}" if where else "set launcher.token_file"
    sentence = f"{settings.url} does not let launcher {settings.name} in: {error}"
    if error.status not in (401, 403):
        return CommandError(sentence)
    hint = f"{todo}; headframe token make launcher --role launcher makes one"
    return CommandError(sentence, Code.NOT_ALLOWED, next_step=hint)


COMMANDS = {"launcher": launcher}
