"""Takes a backup: one snapshot of the schema, streamed to a file that has its name only when it is complete."""

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO, cast

import msgspec
from blake3 import blake3
from sqlalchemy import Connection, Engine, text

from ... import __version__
from ...statemachine.store.backups import Made, counted, note, revision
from ..config import Config
from .manifest import CHUNK, BackupError, Manifest, compare, of_instance
from .programs import SERVICE, address, find, surroundings

MODE = 0o600
LEFT_S = 86_400


def take(config: Config, engine: Engine, folder: Path, actor: str, tell: Callable[[str], None]) -> Path:
    """Make a backup in a folder and check it; give its manifest. Raises `BackupError`."""
    _make(folder, config.instance)
    with _snapshot(engine) as (connection, snapshot):
        server = int(connection.exec_driver_sql("show server_version_num").scalar_one()) // 10_000
        programs, program = find(server)
        started = datetime.now(UTC)
        dump, part = _reserved(folder, config.instance, started)
        tell(f"taking a backup of {config.instance} to {dump}")
        with _removed_where_it_fails(part):
            size, digest = _dumped(config, programs, snapshot, part)
            manifest = Manifest(
                instance=config.instance,
                version=__version__,
                revision=_revision(connection, config.instance),
                server=server,
                program=program,
                dump=dump.name,
                size=size,
                blake3=digest,
                started=started,
                ended=datetime.now(UTC),
                counts=counted(connection),
            )
    with _removed_where_it_fails(part):
        compare(part, manifest)
        contents(programs, part)
        file = _named(part, dump, manifest)
    _note(engine, file, manifest, actor)
    return file


@contextmanager
def _snapshot(engine: Engine) -> Iterator[tuple[Connection, str]]:
    """Hold one moment of the database, and give its name for pg_dump."""
    with engine.connect() as connection:
        connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
        # It holds the snapshot while pg_dump works, for hours perhaps: a server that ends such sessions shall wait.
        connection.exec_driver_sql("set local idle_in_transaction_session_timeout = 0")
        yield connection, connection.execute(text("select pg_export_snapshot()")).scalar_one()


def contents(programs: Path, dump: Path) -> list[str]:
    """Give what is in a dump, a line each, as pg_restore reads it. Raises `BackupError`."""
    done = subprocess.run([programs / "pg_restore", "--list", dump], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BackupError(f"{dump}: pg_restore cannot read it: {_last(done.stderr)}; take another backup")
    return done.stdout.splitlines()


def forget_old(folder: Path, instance: str, keep: int) -> list[Path]:
    """Remove all but the newest complete backups of an instance, the manifest first; give what went.

    So does a dump of ours that has had no manifest for a day: whoever made it was killed.
    """
    gone = [file for file, _ in of_instance(folder, instance)[:-keep]]
    for file in gone:
        dump = file.parent / _dump_of(file)
        file.unlink()  # without it the dump is no backup any more
        dump.unlink(missing_ok=True)
    lonely = [dump for dump in folder.glob(f"{instance}-*.dump") if _is_lonely(dump, instance)]
    for dump in lonely:
        dump.unlink(missing_ok=True)
    return gone + lonely


def _is_lonely(dump: Path, instance: str) -> bool:
    ours = re.fullmatch(rf"{instance}-\d{{8}}T\d{{6}}Z(-\d+)?\.dump", dump.name) is not None
    return ours and not dump.with_suffix(".json").exists() and time.time() - dump.stat().st_mtime > LEFT_S


def _dump_of(file: Path) -> str:
    return file.with_suffix(".dump").name


def _reserved(folder: Path, instance: str, started: datetime) -> tuple[Path, Path]:
    """Give a name for a dump that nobody has, and its part, which keeps the name for us: two may begin in a second."""
    for again in count(1):
        second = f"{instance}-{started:%Y%m%dT%H%M%SZ}"
        dump = folder / (f"{second}.dump" if again == 1 else f"{second}-{again}.dump")
        part = dump.with_name(f".{dump.name}.part")
        try:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE))
        except FileExistsError:
            continue
        # Only now: who had the part has given the dump its name by then.
        if not dump.exists() and not dump.with_suffix(".json").exists():
            return dump, part
        part.unlink()
    raise AssertionError("there is always another number")


@contextmanager
def _removed_where_it_fails(part: Path) -> Iterator[None]:
    """Leave no part of a dump behind."""
    try:
        yield
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _dumped(config: Config, programs: Path, snapshot: str, part: Path) -> tuple[int, str]:
    """Stream pg_dump's output into the file; give size and blake3."""
    with part.open("wb") as stream:
        size, digest = _stream(config, programs, snapshot, stream.write)
        stream.flush()
        os.fsync(stream.fileno())
    return size, digest


def _named(part: Path, dump: Path, manifest: Manifest) -> Path:
    """Give a checked dump its name and then, at once, its manifest; give the manifest's file."""
    file = dump.with_suffix(".json")
    written = _write(file, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    part.rename(dump)
    written.rename(file)
    _sync(dump.parent)
    return file


def _stream(config: Config, programs: Path, snapshot: str, write: Callable[[bytes], object]) -> tuple[int, str]:
    command = [str(programs / "pg_dump"), "--format=custom", f"--schema={config.instance}", f"--snapshot={snapshot}"]
    digest, size = blake3(), 0
    with (
        surroundings(address(config)) as known,
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [*command, "--no-password", "--dbname", f"service={SERVICE}"],
            env=known,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as child,
    ):
        output = cast("IO[bytes]", child.stdout)
        try:
            while chunk := output.read(CHUNK):
                write(chunk)
                digest.update(chunk)
                size += len(chunk)
        except BaseException:
            child.kill()
            raise
        if child.wait() != 0:
            said.seek(0)
            raise BackupError(f"pg_dump did not make the backup: {_last(said.read())}")
    return size, digest.hexdigest()


def _revision(connection: Connection, instance: str) -> str:
    present = revision(connection)
    if present is None:
        raise BackupError(f"there is no schema {instance} to back up; run: headframe db upgrade")
    return present


def _note(engine: Engine, file: Path, manifest: Manifest, actor: str) -> None:
    made = Made(
        started=manifest.started,
        ended=manifest.ended,
        place=str(file.absolute()),
        host=socket.gethostname(),
        actor=actor,
        version=manifest.version,
        blake3=manifest.blake3,
        size=manifest.size,
    )
    with engine.begin() as connection:
        note(connection, made)


def _make(folder: Path, instance: str) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(f"{folder}: cannot be made: {error.strerror}; give another one by --to") from error
    # A killed backup leaves its part behind; one that is still written to is younger.
    for part in folder.glob(f".{instance}-*.part"):
        if time.time() - part.stat().st_mtime > LEFT_S:
            part.unlink(missing_ok=True)


def _write(file: Path, content: bytes) -> Path:
    """Write a file that has not its name yet; give the name that it has."""
    part = file.with_name(f".{file.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return part


def _sync(folder: Path) -> None:
    """Make a new name last. Some file systems cannot, and need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _last(said: str) -> str:
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
