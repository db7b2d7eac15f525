"""Restores a backup: checked first, all or nothing, and what it replaces stays until the new one is whole."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from ... import __version__
from ...consumers.broker import BrokerRefusedError, BrokerUnavailableError
from ...statemachine.database import known_revisions
from ...statemachine.queries import query
from ...statemachine.records import Record
from ...statemachine.store.backups import Made, Restored, left_aside, restored, rows
from .. import wiring
from ..config import Config
from .manifest import BackupError, Manifest, check_bytes
from .programs import SERVICE, address, find, surroundings
from .take import contents

LIVELY_S = 20
"""Who was heard of so lately is taken to be still running."""
SEAL = "alembic_version"


class Present(Record):
    """What is in the database now: rows that would be lost, processes that were heard of lately, or have sessions.

    `perhaps` are sessions of processes of this instance, or of another one in this database. `aside` are schemas that a
    killed restore left.
    """

    schema: bool = False
    rows: int = 0
    runs: int = 0
    files: int = 0
    alive: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()


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
    if server < manifest.server:
        raise BackupError(
            f"the backup is of PostgreSQL {manifest.server} and this database is PostgreSQL {server}; "
            f"restore it into PostgreSQL {manifest.server} or later"
        )
    programs, _ = find(server)
    if server < manifest.program:
        programs, _ = find(manifest.program)
    return programs


def present(engine: Engine, instance: str) -> Present:
    """Look at what a restore would replace."""
    with engine.connect() as connection:
        aside = left_aside(connection, instance)
        alive, perhaps = _sessions(connection)
        if not connection.execute(text("select to_regnamespace(:name)"), {"name": instance}).scalar():
            return Present(aside=aside, alive=alive, perhaps=perhaps)
        runs, files, people, tokens = (_count(connection, name) for name in ("run", "file", "person", "api_token"))
        if _is_there(connection, "process"):
            heard = connection.execute(query("heard_lately"), {"lively_s": LIVELY_S})
            alive = (*(f"{row.role} on {row.host}" for row in heard), *alive)
        return Present(
            schema=True, rows=runs + files + people + tokens, runs=runs, files=files, alive=alive, perhaps=perhaps,
            aside=aside,
        )  # fmt: skip


def _sessions(connection: Connection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the sessions of daemons in this database: those that are ours for sure, and those that may be another's.

    A session says what it is, and not of which instance: that is sure only where there is no other instance.
    """
    found = connection.execute(query("daemon_sessions")).all()
    named = tuple(f"{row.application_name} (process {row.pid} of PostgreSQL)" for row in found)
    others = int(connection.execute(query("other_instances")).scalar_one())
    return ((), named) if others else (named, ())


def restore(config: Config, engine: Engine, file: Path, manifest: Manifest, actor: str) -> Restored:
    """Bring a checked backup into the database. Raises `BackupError`, and then the database is as it was."""
    programs = fitting(engine, manifest)
    dump = file.parent / manifest.dump
    aside = _put_aside(engine, config.instance)
    try:
        _run(config, programs, dump)
        with engine.begin() as connection:
            _compare(connection, manifest)
            did = restored(connection, _made(file, manifest), manifest.revision, actor)
            if aside:
                connection.execute(text(f'drop schema "{aside}" cascade'))
    except BaseException:
        _put_back(engine, config.instance, aside)
        raise
    _analyze(engine, config.instance)
    return did


def purge(config: Config, tell: Callable[[str], None]) -> None:
    """Empty the instance's queues, as far as the broker is there: what lies in them is of the time that is lost.

    Harmless where it cannot be done: nothing in them counts any more. It only spares workers some work for nothing.
    """
    if config.broker.url == "memory:":
        return
    try:
        broker = wiring.connected(config, "restore")
    except (BrokerUnavailableError, OSError) as error:
        tell(f"the queues were not emptied ({error}); what is in them will be counted as late")
        return
    gone = 0
    for queue in wiring.topology(config).queues:
        with suppress(BrokerRefusedError, BrokerUnavailableError):
            gone += broker.purge(queue.name)
    broker.close()
    tell(f"the queues were emptied: {gone} messages of the time after the backup")


def _run(config: Config, programs: Path, dump: Path) -> None:
    """Run pg_restore in one transaction, all but the seal: a schema without its revision is none to any process."""
    with tempfile.NamedTemporaryFile("w", prefix="headframe-", suffix=".list") as chosen:
        sealed = f"TABLE DATA {config.instance} {SEAL} "
        chosen.write("\n".join(line for line in contents(programs, dump) if sealed not in line))
        chosen.flush()
        with surroundings(address(config)) as known:
            done = subprocess.run(
                [programs / "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
                 "--no-password", "--use-list", chosen.name, "--dbname", f"service={SERVICE}", dump],
                env=known, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            )  # fmt: skip
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr.strip())
        raise BackupError(f"pg_restore did not bring {dump} in, and nothing was changed: {said}")


def _compare(connection: Connection, manifest: Manifest) -> None:
    """Count what the manifest counted. Raises `BackupError`."""
    for name, wanted in manifest.counts.items():
        there = _count(connection, name)
        if there != wanted:
            raise BackupError(
                f"table {name} has {there} rows and the manifest says {wanted}; nothing was changed; use another backup"
            )


def _put_aside(engine: Engine, instance: str) -> str:
    """Rename what is there, so that it can come back; give its name for the time being."""
    aside = f"{instance}_before_{int(time.time())}"
    with engine.begin() as connection:
        if connection.execute(text("select to_regnamespace(:name)"), {"name": instance}).scalar() is None:
            return ""
        connection.execute(text("set local lock_timeout = '10s'"))
        connection.execute(text(f'alter schema "{instance}" rename to "{aside}"'))
    return aside


def _put_back(engine: Engine, instance: str, aside: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f'drop schema if exists "{instance}" cascade'))
        if aside:
            connection.execute(text(f'alter schema "{aside}" rename to "{instance}"'))


def _analyze(engine: Engine, instance: str) -> None:
    """Give the planner its statistics, which no dump carries."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        tables = connection.execute(
            text("select tablename from pg_tables where schemaname = :name"), {"name": instance}
        )
        for name in tables.scalars().all():
            connection.execute(text(f'analyze "{name}"'))


def _made(file: Path, manifest: Manifest) -> Made:
    fields = {name: getattr(manifest, name) for name in ("started", "ended", "version", "blake3", "size")}
    return Made(place=str(file.absolute()), host=socket.gethostname(), actor="restore", **fields)


def _is_there(connection: Connection, table: str) -> bool:
    return connection.execute(text("select to_regclass(:name)"), {"name": table}).scalar() is not None


def _count(connection: Connection, table: str) -> int:
    return rows(connection, table) if _is_there(connection, table) else 0
