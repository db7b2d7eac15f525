"""Restores a backup: checked first, all or nothing, and what it replaces stays until the new one is whole."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ... import __version__
from ...statemachine.database import first_line, known_revisions, wait_briefly
from ...statemachine.queries import query
from ...statemachine.store.backups import UNFINISHED, Made, Restored, moment, restored, take_your_time, unfinished
from ..config import Config
from .alone import leaving_in_order
from .manifest import BackupError, Manifest, check_bytes
from .present import RESTORE, counted
from .programs import SERVICE, complaint, find, surroundings
from .take import contents

SEAL = "alembic_version"
JOBS = min(4, os.cpu_count() or 1)
"""How many tables and indexes are brought in at once."""
DROP_S = 10.0


def check(file: Path, manifest: Manifest, config: Config) -> Path:
    """See whether a backup can be used here, before anything is touched; give its dump. Raises `BackupError`."""
    if manifest.instance != config.instance:
        raise BackupError(
            f"{file}: is a backup of the instance {manifest.instance}, and the configuration is of "
            f"{config.instance}; give the other configuration by --config"
        )
    if manifest.revision not in known_revisions():
        raise BackupError(
            f"{file}: was made by headframe {manifest.version}, whose schema ({manifest.revision}) is newer than "
            f"what this headframe {__version__} knows; install {manifest.version} or later"
        )
    return check_bytes(file, manifest)


def fitting(engine: Engine, manifest: Manifest) -> Path:
    """Give the programs for this server and this dump. Raises `BackupError` where the server is older than it."""
    with engine.connect() as connection:
        server = int(connection.exec_driver_sql("show server_version_num").scalar_one()) // 10_000
        now = moment(connection)
    if server < manifest.server:
        raise BackupError(
            f"the backup is of PostgreSQL {manifest.server} and this database is PostgreSQL {server}; "
            f"restore it into PostgreSQL {manifest.server} or later"
        )
    if now < manifest.ended:
        raise BackupError(behind(now, manifest.ended))
    programs, _ = find(server)
    if server < manifest.program:
        programs, _ = find(manifest.program)
    return programs


def behind(now: datetime, then: datetime) -> str:
    """Say that the database's clock cannot be right: epochs and ids that were given out would be given out again."""
    return (
        f"the clock of PostgreSQL's host says {now:%Y-%m-%d %H:%M:%S} UTC, and what is to be worked on is of "
        f"{then:%Y-%m-%d %H:%M:%S} UTC; nothing was changed; set the clock right, and say it again"
    )


def restore(
    config: Config, engine: Engine, file: Path, manifest: Manifest, actor: str, *,
    tell: Callable[[str], None] = lambda _: None, jobs: int = JOBS,
) -> Restored:  # fmt: skip
    """Bring a checked backup into the database. Raises `BackupError`, and then the database is as it was."""
    programs = fitting(engine, manifest)
    with leaving_in_order():
        aside = _put_aside(engine, config.instance)
        try:
            _run(config, programs, file.parent / manifest.dump, jobs)
            _analyze(engine, config.instance)
            with engine.begin() as connection:
                take_your_time(connection)
                _compare(connection, manifest)
                connection.execute(text(f'comment on schema "{config.instance}" is null'))
                did = restored(connection, _made(file, manifest), manifest.revision, actor)
        except BaseException:
            _put_back(engine, config.instance, aside)
            raise
        if aside:
            _drop(engine, aside, tell)
    return did


def _run(config: Config, programs: Path, dump: Path, jobs: int) -> None:
    """Run pg_restore, for all but the seal: a schema without its revision is none to any process."""
    schema = config.instance
    apart = (f" TABLE DATA {schema} {SEAL} ", f" SCHEMA - {schema} ", f" COMMENT - SCHEMA {schema} ")
    lines = [line for line in contents(programs, dump) if not any(each in line for each in apart)]
    with tempfile.NamedTemporaryFile("w", prefix="headframe-", suffix=".list") as chosen:
        chosen.write("\n".join(lines))
        chosen.flush()
        words = [
            *_with_us(), str(programs / "pg_restore"), f"--jobs={jobs}", "--exit-on-error", "--no-owner",
            "--no-privileges", "--no-password", f"--use-list={chosen.name}", f"--dbname=service={SERVICE}", str(dump),
        ]  # fmt: skip
        said = _said(config, words)
    if said is not None:
        raise BackupError(f"pg_restore did not bring {dump} in, and nothing was changed: {complaint(said)}")


def _with_us() -> list[str]:
    """Have pg_restore end when this process is killed, where the system has a program for that."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _said(config: Config, words: list[str]) -> str | None:
    """Run a program to its end; give what it said if it failed. Who is told to leave ends it first."""
    with (
        surroundings(config, RESTORE) as known,
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(words, env=known, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said) as child,
    ):
        try:
            failed = child.wait() != 0
        except BaseException:
            child.terminate()  # it ends its own sessions, which killed it would not
            child.wait()
            raise
        said.seek(0)
        return said.read() if failed else None


def _compare(connection: Connection, manifest: Manifest) -> None:
    """Count what the manifest counted. Raises `BackupError`."""
    for name, wanted in manifest.counts.items():
        there = counted(connection, name)
        if there != wanted:
            raise BackupError(
                f"table {name} has {there} rows and the manifest says {wanted}; nothing was changed; use another backup"
            )


def _put_aside(engine: Engine, instance: str) -> str:
    """Rename what is there, so that it can come back, and begin anew; give its name for the time being."""
    aside = f"{instance}_before_{int(time.time())}"
    with engine.begin() as connection:
        wait_briefly(connection, DROP_S)
        there = connection.execute(text("select to_regnamespace(:name)"), {"name": instance}).scalar() is not None
        if there and unfinished(connection, instance):
            connection.execute(text(f'drop schema "{instance}" cascade'))
            there = False
        if there:
            connection.execute(text(f'alter schema "{instance}" rename to "{aside}"'))
        connection.execute(text(f'create schema "{instance}"'))
        connection.execute(text(f"comment on schema \"{instance}\" is '{UNFINISHED}'"))
    return aside if there else ""


def _put_back(engine: Engine, instance: str, aside: str) -> None:
    """Undo what was begun. Raises `BackupError` where that cannot be done now."""
    try:
        with engine.begin() as connection:
            connection.execute(text(f'drop schema if exists "{instance}" cascade'))
            if aside:
                connection.execute(text(f'alter schema "{aside}" rename to "{instance}"'))
    except DBAPIError as error:
        there = f"what {instance} had is safe, as the schema {aside}" if aside else "nothing was there before"
        said = f"the restore failed and could not be undone ({first_line(error)}); {there}"
        raise BackupError(f"{said}; when PostgreSQL is well, say it again: what is half there is replaced") from error


def _drop(engine: Engine, aside: str, tell: Callable[[str], None]) -> None:
    """Drop what was replaced; somebody may have it open, and nobody waits for that."""
    try:
        with engine.begin() as connection:
            wait_briefly(connection, DROP_S)
            connection.execute(text(f'drop schema "{aside}" cascade'))
    except DBAPIError as error:
        line = first_line(error)
        tell(f'what was replaced is still there, as the schema {aside} ({line}): drop schema "{aside}" cascade')


def _analyze(engine: Engine, instance: str) -> None:
    """Give the planner its statistics, which no dump carries."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in connection.execute(query("tables_of_schema"), {"name": instance}).scalars().all():
            connection.execute(text(f'analyze "{instance}"."{name}"'))


def _made(file: Path, manifest: Manifest) -> Made:
    fields = {name: getattr(manifest, name) for name in ("started", "ended", "version", "blake3", "size")}
    return Made(place=str(file.absolute()), host=socket.gethostname(), actor="restore", **fields)
