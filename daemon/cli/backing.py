"""`headframe backup` and `headframe restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...statemachine.wording import plural
from .asking import confirm
from .codes import Code, CommandError
from .session import Session, pass_session
from .units import human_size

if TYPE_CHECKING:
    from ...statemachine.store.backups import Restored
    from ..backup.manifest import Manifest
    from ..backup.present import Present

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--to", "folder", type=FOLDER, default=Path("backups"), show_default=True, help="The folder it goes to.")
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Afterwards keep the newest N there, remove others."
)
@pass_session
def backup(session: Session, folder: Path, keep: int | None) -> int:
    """Take a backup of this instance's database, while everything goes on.

    It is one moment of the database: a dump of pg_dump with a manifest beside it, checked before it has its name. The
    broker needs none, and files on the sites are not in it.
    """
    from ...statemachine.database import explained
    from ..backup.keeping import forget_old
    from ..backup.manifest import read
    from ..backup.take import take

    with explained():
        file = take(session.config, session.engine, folder, session.actor, click.echo)
    made = read(file)
    rows = f"{plural(made.counts['run'], 'run')}, {plural(made.counts['file'], 'file')}"
    click.echo(f"{file}: complete, {human_size(made.size)}, checked; as of {made.called}: {rows}")
    for line in forget_old(folder, session.config.instance, keep) if keep else ():
        click.echo(line)
    return Code.DONE


@click.command()
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path, exists=True))
@click.option("--replace", is_flag=True, help="Drop what the database has of this instance.")
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Tables and indexes at once; else one a core, 4 at most."
)
@click.option("--dry-run", is_flag=True, help="Check the backup and say what would happen; change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def restore(session: Session, source: Path, replace: bool, jobs: int | None, dry_run: bool, yes: bool) -> int:
    """Bring a backup back into the database: FROM is its file, or a folder, of which the newest.

    Stop every process of the instance first, workers can stay. What was done after the backup is done again: files
    come in by the watcher's scan, and whatever workers still say of that time is counted as late.
    """
    from ...statemachine.database import explained
    from ..backup import restore as module
    from ..backup.alone import alone
    from ..backup.manifest import found
    from ..backup.present import present
    from ..backup.queues import purge

    instance = session.config.instance
    file, manifest = found(source, instance)
    dump = module.check(file, manifest, session.config)
    click.echo(f"{dump}: whole, {human_size(manifest.size)}, of headframe {manifest.version} as of {manifest.called}")
    with explained(), alone(session.engine, instance):
        module.fitting(session.engine, manifest)
        there = present(session.engine, instance)
        _warn(there, instance)
        _refuse(there, instance, replace=replace)
        if dry_run:
            click.echo(
                "would restore it" + (f" in place of {_rows(there)}" if there.rows else "") + "; nothing was changed"
            )
            return Code.DONE
        _ask(there, instance, yes=yes)
        did = module.restore(
            session.config, session.engine, file, manifest, session.actor, tell=_tell_beside, jobs=jobs or module.JOBS
        )
    purge(session.config, click.echo)
    _tell(did, manifest)
    _tell_rights(session)
    click.echo("next: headframe db upgrade, start everything, then headframe verify --deep")
    return Code.DONE


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def recovered(session: Session, yes: bool) -> int:
    """Make the database safe to work on after PostgreSQL itself took it back in time, and before anything starts.

    That is so after a recovery from WAL, and after a standby took over that had not everything yet. Epochs and ids go
    on far above those that were given out, so that what workers still say of the lost time counts as late.
    """
    from ...statemachine.database import explained
    from ...statemachine.store.backups import begin_again
    from ..backup.alone import alone
    from ..backup.present import present
    from ..backup.queues import purge

    instance = session.config.instance
    with explained(), alone(session.engine, instance):
        there = present(session.engine, instance)
        _warn(there, instance)
        _refuse_alive(there, instance)
        _refuse_unfit(session)
        confirm("take back all that is with workers, and give every item a new epoch?", yes=yes)
        with session.engine.begin() as connection:
            did = begin_again(connection, "the database was recovered to an earlier moment", session.actor)
    purge(session.config, click.echo)
    click.echo(f"{plural(did.items, 'item')} have new epochs; {plural(did.attempts, 'attempt')} that ran begin anew")
    click.echo(_LATE.format(floor=did.floor))
    click.echo("next: start everything, then headframe verify --deep")
    return Code.DONE


def _refuse_unfit(session: Session) -> None:
    from ...statemachine.store.backups import goes_back
    from ..backup.manifest import BackupError
    from ..backup.restore import behind

    with session.looking() as connection:
        found = goes_back(connection)
    if found is not None:
        raise BackupError(behind(*found))


def _warn(there: Present, instance: str) -> None:
    """Say what is to be looked at first, and stands in nobody's way."""
    for name in there.aside:
        click.echo(left_sentence(name, instance), err=True)
    if there.perhaps:
        which = f"of {instance} or of another instance in this database: {', '.join(there.perhaps)}"
        click.echo(
            f"headframe: processes of headframe 0.1.0 are running, {which}; stop those of {instance} first", err=True
        )


def left_sentence(name: str, instance: str) -> str:
    """Say what a schema is that a killed restore left, and how it goes, or comes back."""
    back = f'alter schema "{name}" rename to "{instance}"'
    return (
        f"headframe: the schema {name} is what {instance} had before a restore that was killed, or is under way; "
        f'to drop it, in psql: drop schema "{name}" cascade; to have it back, where there is no {instance}: {back}'
    )


def _refuse_alive(there: Present, instance: str) -> None:
    if there.alive:
        sentence = f"processes of {instance} are running, or were a moment ago: {', '.join(there.alive)}"
        gone = "; the session of one that is gone ends by select pg_terminate_backend(NUMBER)"
        todo = "stop them, wait 20 s, and say it again" + (gone if "PostgreSQL" in sentence else "")
        raise CommandError(sentence, next_step=todo)


def _refuse(there: Present, instance: str, *, replace: bool) -> None:
    _refuse_alive(there, instance)
    if there.rows and not replace:
        sentence = f"the database has {_rows(there)} of {instance}, and a restore would drop them; nothing was changed"
        raise CommandError(sentence, next_step="another database, or --replace if they are to go")


def _ask(there: Present, instance: str, *, yes: bool) -> None:
    """Ask for the instance's name where anything goes: a `y` is said too easily."""
    import sys

    if yes or not there.rows:
        return
    what = f"{_rows(there)} of {instance} go for good."
    if not sys.stdin.isatty():
        confirm(what, yes=False)
    if click.prompt(f"{what} Write the instance's name to go on", err=True) != instance:
        raise CommandError("that is not its name; nothing was changed")


def _rows(there: Present) -> str:
    if not there.runs + there.files:
        return "users or tokens"
    return f"{plural(there.runs, 'run')} and {plural(there.files, 'file')}"


def _tell_beside(line: str) -> None:
    click.echo(f"headframe: {line}", err=True)


def _tell(did: Restored, manifest: Manifest) -> None:
    click.echo(f"restored the database as of {manifest.called}: {plural(did.items, 'item')}")
    if did.attempts:
        click.echo(f"{plural(did.attempts, 'attempt')} that ran at that moment begin anew")
    click.echo(_LATE.format(floor=did.floor))
    click.echo("everybody signs in again; tokens that were revoked since are good again: headframe token list")


def _tell_rights(session: Session) -> None:
    """Give the roles of the database back what a backup does not carry, as far as whoever restores may."""
    from sqlalchemy.exc import DBAPIError

    from .dbroles import hand_over

    try:
        there = hand_over(session.engine, session.config)
    except DBAPIError as error:
        line = str(error.orig).strip().split("\n", 1)[0]
        click.echo(f"the roles of the database have no rights yet ({line}): headframe db roles --apply", err=True)
    else:
        if there:
            click.echo(f"the database's roles have their rights again: {', '.join(there)}")


_LATE = "epochs go on at {floor}: what workers still say of the time after that counts as late"
COMMANDS = {"backup": backup, "restore": restore}
