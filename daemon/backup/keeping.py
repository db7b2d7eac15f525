"""Which backups stay in a folder: what is old goes once a newer one is complete, and never the one that has more."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .manifest import BackupError, Manifest, is_ours, of_instance

LEFT_S = 86_400
"""Who has not written to a file for so long was killed."""


def forget_old(folder: Path, instance: str, keep: int) -> Iterator[str]:
    """Remove all but the newest complete backups of an instance, the manifest first; say what went, and what did not.

    So does a dump of ours that has had no manifest for a day: whoever made it was killed. Raises `BackupError` at the
    end where something could not be removed.
    """
    complete, stay = of_instance(folder, instance), list[str]()
    fuller = _fuller(complete[:-keep], complete[-1][1]) if complete else None
    for file, manifest in complete[:-keep]:
        if file == fuller:
            files, now = manifest.counts["file"], complete[-1][1].counts["file"]
            yield f"kept {file}: it has {files:,} files and the newest {now:,}; if that is right, remove it by hand"
            continue
        # Without the manifest the dump is no backup any more.
        yield from _removed(stay, file, file.with_suffix(".dump"))
    for dump in sorted(folder.glob(f"{instance}-*.dump")):
        if is_ours(dump.name, instance, "dump") and not dump.with_suffix(".json").exists() and is_left(dump):
            yield from _removed(stay, dump)
    if stay:
        raise BackupError(f"the backup is complete, and {len(stay)} that should go stay: {stay[0]}")


def _fuller(going: list[tuple[Path, Manifest]], newest: Manifest) -> Path | None:
    """Give the newest of those that know more files: an instance never forgets one, so one that has fewer is new."""
    return next((file for file, each in reversed(going) if each.counts["file"] > newest.counts["file"]), None)


def is_left(file: Path) -> bool:
    """Say whether nobody writes this file any more."""
    with suppress(FileNotFoundError):
        return time.time() - file.stat().st_mtime > LEFT_S
    return False


def _removed(stay: list[str], first: Path, *more: Path) -> Iterator[str]:
    try:
        for file in (first, *more):
            file.unlink(missing_ok=True)
    except OSError as error:
        stay.append(f"{error.filename}: {error.strerror}")
    else:
        yield f"removed {first}"
