"""Takes a backup: one snapshot of the schema, streamed to a file that has its name only when it is complete."""

import errno
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import IO, cast

import msgspec
from blake3 import blake3
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ... import __version__
from ...statemachine.database import first_line
from ...statemachine.store.backups import Made, counted, moment, note, revision, take_your_time
from ..config import Config
from .alone import kept, leaving_in_order
from .keeping import is_left
from .manifest import CHUNK, BackupError, Manifest, compare
from .programs import SERVICE, complaint, find, surroundings

MODE = 0o600
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def take(config: Config, engine: Engine, folder: Path, actor: str, tell: Callable[[str], None]) -> Path:
    """Make a backup in a folder and check it; give its manifest. Raises `BackupError`."""
    with leaving_in_order(), _written_to(folder):
        _make(folder, config.instance)
        file, manifest = _taken(config, engine, folder, tell)
    _note(engine, file, manifest, actor)
    return file


def _taken(config: Config, engine: Engine, folder: Path, tell: Callable[[str], None]) -> tuple[Path, Manifest]:
    with _snapshot(engine, config.instance) as (connection, snapshot):
        server = int(connection.exec_driver_sql("show server_version_num").scalar_one()) // 10_000
        programs, program = find(server)
        started = moment(connection)
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
                ended=moment(connection),
                counts=counted(connection),
            )
    with _removed_where_it_fails(part, _part(dump.with_suffix(".json"))):
        compare(part, manifest)
        contents(programs, part)
        return _named(part, dump, manifest), manifest


@contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    """Say of a disk that is full, and of a folder that is not ours, what came of the backup and what to do."""
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        todo = "make room there, or give another folder by --to" if error.errno in FULL else "give another one by --to"
        said = f"{place}: {error.strerror}; no backup was made, and older ones are as they were; {todo}"
        raise BackupError(said) from error


@contextmanager
def _snapshot(engine: Engine, instance: str) -> Iterator[tuple[Connection, str]]:
    """Hold one moment of the database, and give its name for pg_dump; nobody restores meanwhile."""
    with engine.connect() as connection, kept(connection, instance):
        connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
        # It holds the snapshot while pg_dump works, for hours perhaps: a server that ends such sessions shall wait.
        take_your_time(connection)
        yield connection, connection.execute(text("select pg_export_snapshot()")).scalar_one()


def contents(programs: Path, dump: Path) -> list[str]:
    """Give what is in a dump, a line each, as pg_restore reads it. Raises `BackupError`."""
    done = subprocess.run([programs / "pg_restore", "--list", dump], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = complaint(done.stderr)
        raise BackupError(f"{dump}: pg_restore cannot read it: {said}; another backup is needed")
    return done.stdout.splitlines()


def _reserved(folder: Path, instance: str, started: datetime) -> tuple[Path, Path]:
    """Give a name for a dump that nobody has, and its part, which keeps the name for us: two may begin in a second."""
    for again in count(1):
        second = f"{instance}-{started:%Y%m%dT%H%M%SZ}"
        dump = folder / (f"{second}.dump" if again == 1 else f"{second}-{again}.dump")
        part = _part(dump)
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
def _removed_where_it_fails(*parts: Path) -> Iterator[None]:
    """Leave no part of a backup behind."""
    try:
        yield
    except BaseException:
        for part in parts:
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
        surroundings(config, "backup") as known,
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
            raise BackupError(f"pg_dump did not make the backup: {complaint(said.read())}")
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
    try:
        with engine.begin() as connection:
            note(connection, made)
    except DBAPIError as error:
        line = first_line(error)
        said = f"{file}: is complete, but the database could not write down that it is there, so its age is not watched"
        raise BackupError(f"{said}: {line}") from error


def _make(folder: Path, instance: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A killed backup leaves its part behind; one that is still written to is younger.
    for part in folder.glob(f".{instance}-*.part"):
        if is_left(part):
            part.unlink(missing_ok=True)


def _write(file: Path, content: bytes) -> Path:
    """Write a file that has not its name yet; give the name that it has."""
    part = _part(file)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return part


def _part(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def _sync(folder: Path) -> None:
    """Make a new name last. Some file systems cannot, and need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
