"""What every step does with files: read once for both checksums, write with the site's modes."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blake3 import blake3
from zlib_ng import zlib_ng

from .api import Checksums, InfrastructureError, Job, PayloadError, Site

CHUNK = 4 * 1024 * 1024

INFRASTRUCTURE = {
    errno.ENOSPC: "no-space",
    errno.EDQUOT: "no-quota",
    errno.ESTALE: "stale-handle",
    errno.EIO: "io-error",
    errno.EROFS: "read-only",
    errno.ETIMEDOUT: "storage-away",
    errno.EMFILE: "too-many-open-files",
}


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn an `OSError` into the right kind of step error, naming `what` was being done to which file."""
    try:
        yield
    except FileNotFoundError as error:
        raise PayloadError("input-missing", f"{what}: {error.filename or ''} is not there") from error
    except PermissionError as error:
        raise PayloadError("not-permitted", f"{what}: {error.filename or ''} is not permitted") from error
    except OSError as error:
        code = INFRASTRUCTURE.get(error.errno or 0)
        if code is None:
            raise PayloadError("os-error", f"{what}: {error}") from error
        where = f" ({error.filename})" if error.filename else ""
        raise InfrastructureError(code, f"{what}: {os.strerror(error.errno or 0)}{where}") from error


def checksums(path: Path) -> tuple[int, Checksums]:
    """Read a file once; give its size in bytes and both checksums."""
    adler, blake, size = 1, blake3(), 0
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            adler = zlib_ng.adler32(chunk, adler)
            blake.update(chunk)
            size += len(chunk)
    return size, Checksums(adler32=f"{adler:08x}", blake3=blake.hexdigest())


def copy_checked(source: Path, target: Path, site: Site) -> tuple[int, Checksums]:
    """Copy a file in one read; give the size and checksums of what was read. The target is on disk after."""
    adler, blake, size = 1, blake3(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(CHUNK):
            adler = zlib_ng.adler32(chunk, adler)
            blake.update(chunk)
            writer.write(chunk)
            size += len(chunk)
        finish(writer.fileno(), target, site)
    return size, Checksums(adler32=f"{adler:08x}", blake3=blake.hexdigest())


def finish(descriptor: int, path: Path, site: Site) -> None:
    """Give a written file its site's mode and group, and wait until it is on disk."""
    os.fchmod(descriptor, site.file_mode)
    if site.group is not None:
        shutil.chown(path, group=site.group)
    os.fsync(descriptor)


def make_folder(site: Site, path: str) -> Path:
    """Make a folder below a site's root, each new level with the site's mode and group."""
    folder = Path(site.root)
    for part in Path(path).parts:
        folder = folder / part
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        if site.group is not None:
            shutil.chown(folder, group=site.group)
        folder.chmod(site.dir_mode)
    return folder


def check_unchanged(job: Job) -> None:
    """Refuse a raw input whose size or time differs from its arrival record, or that has vanished."""
    content = job.input.content
    with storage_errors(f"reading {content.name}"):
        seen = Path(job.input.path).stat()
    if seen.st_size != content.size or (content.mtime_ns is not None and seen.st_mtime_ns != content.mtime_ns):
        raise PayloadError(
            "input-changed",
            f"{content.name} was rewritten after it arrived: {content.size} bytes then, {seen.st_size} now",
            permanent=True,
        )
