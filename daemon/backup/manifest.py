"""What is known of a backup besides its bytes: written last, so that a backup with a manifest is a complete one."""

from datetime import datetime
from pathlib import Path

import msgspec
from blake3 import blake3

from ...statemachine.records import Record

FORMAT = 1
CHUNK = 1 << 20


class BackupError(Exception):
    """A backup that cannot be made, or not be used. The text says which, why, and what to do."""


class Manifest(Record):
    """A complete backup. `revision` is the schema's, `counts` are rows of a few tables, in the dump's own snapshot."""

    instance: str
    version: str
    revision: str
    server: int
    program: int
    dump: str
    size: int
    blake3: str
    started: datetime
    ended: datetime
    counts: dict[str, int]
    format: int = FORMAT

    @property
    def called(self) -> str:
        """Name it as people do: by the moment of its snapshot."""
        return f"{self.started:%Y-%m-%d %H:%M:%S} UTC"


def found(place: Path, instance: str) -> tuple[Path, Manifest]:
    """Give the manifest that is meant: a file of the backup, or a folder, of which the newest one of this instance.

    Raises `BackupError`.
    """
    if place.is_dir():
        complete = of_instance(place, instance)
        if not complete:
            raise BackupError(f"{place}: there is no complete backup of {instance} in this folder")
        return complete[-1]
    file = place.with_suffix(".json")
    if not file.exists():
        raise BackupError(f"{place}: there is no manifest {file.name} beside it, so this is no complete backup")
    return file, read(file)


def of_instance(folder: Path, instance: str) -> list[tuple[Path, Manifest]]:
    """Give the complete backups of an instance in a folder, the oldest first; what is none of ours is passed over."""
    there = []
    for file in folder.glob(f"{instance}-*.json"):
        try:
            manifest = read(file)
        except BackupError:
            continue
        if manifest.instance == instance:
            there.append((file, manifest))
    return sorted(there, key=lambda one: one[1].started)


def read(file: Path) -> Manifest:
    """Read a manifest. Raises `BackupError`."""
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupError(f"{file}: cannot be read as the manifest of a backup: {error}") from error
    if manifest.format > FORMAT:
        raise BackupError(f"{file}: is of a later headframe ({manifest.version}); restore it with that one")
    return manifest


def check_bytes(file: Path, manifest: Manifest) -> Path:
    """Read the whole dump and compare; give its path. Raises `BackupError`."""
    dump = file.parent / manifest.dump
    compare(dump, manifest)
    return dump


def compare(dump: Path, manifest: Manifest) -> None:
    """Read a dump, whatever it is called by now, and compare it with its manifest. Raises `BackupError`."""
    digest, size = blake3(), 0
    try:
        with dump.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise BackupError(f"{dump}: cannot be read: {error.strerror}; take another backup") from error
    if (size, digest.hexdigest()) != (manifest.size, manifest.blake3):
        said = f"{size} bytes, expected {manifest.size}" if size != manifest.size else "its blake3 is another one"
        raise BackupError(f"{dump}: is not what was written ({said}); nothing was changed; take another backup")
