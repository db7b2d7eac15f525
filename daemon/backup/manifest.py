"""What is known of a backup besides its bytes: written last, so that a backup with a manifest is a complete one."""

import re
from datetime import datetime
from pathlib import Path

import msgspec
from blake3 import blake3

from ...statemachine.records import Record
from ...statemachine.wording import plural

FORMAT = 1
CHUNK = 1 << 20
MANIFEST_LOST = "docs/backup.md says what can be done with such a one"


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
        return _newest(place, instance)
    file = place.with_suffix(".json")
    if not file.exists():
        raise BackupError(
            f"{place}: there is no manifest {file.name} beside it, so nothing says that it is whole ({MANIFEST_LOST})"
        )
    return file, read(file)


def _newest(folder: Path, instance: str) -> tuple[Path, Manifest]:
    """Give the newest backup of a folder; one that cannot be read may be newer, and then somebody has to choose."""
    try:
        names = sorted(each.name for each in folder.iterdir())
    except OSError as error:
        raise BackupError(f"{folder}: cannot be read: {error.strerror}") from error
    complete = of_instance(folder, instance)
    for file in (folder / name for name in names if is_ours(name, instance, "json")):
        if file not in {each for each, _ in complete}:
            raise BackupError(f"{_why_not(file)}; it may be the newest: to use another one, name that one's file")
    if not complete:
        lonely = sum(is_ours(name, instance, "dump") for name in names)
        besides = f", only {plural(lonely, 'dump')} without manifest ({MANIFEST_LOST})" if lonely else ""
        raise BackupError(f"{folder}: there is no complete backup of {instance} in this folder{besides}")
    return complete[-1]


def _why_not(file: Path) -> str:
    try:
        return f"{file}: is of the instance {read(file).instance}"
    except BackupError as error:
        return str(error)


def is_ours(name: str, instance: str, kind: str) -> bool:
    """Say whether a name is one that we give to a dump, or a manifest, of this instance."""
    return re.fullmatch(rf"{instance}-\d{{8}}T\d{{6}}Z(-\d+)?\.{kind}", name) is not None


def of_instance(folder: Path, instance: str) -> list[tuple[Path, Manifest]]:
    """Give the backups of an instance in a folder whose manifests can be read, the oldest first."""
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
    except OSError as error:
        raise BackupError(f"{file}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BackupError(f"{file}: is no manifest of a backup: {error}") from error
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
        raise BackupError(f"{dump}: cannot be read: {error.strerror}; it belongs beside its manifest") from error
    if (size, digest.hexdigest()) != (manifest.size, manifest.blake3):
        said = f"{size} bytes, expected {manifest.size}" if size != manifest.size else "its blake3 is another one"
        raise BackupError(f"{dump}: is not what was written ({said}); nothing was changed; another backup is needed")
