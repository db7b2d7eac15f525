"""What every step does with files: read once for both checksums, write with the site's modes."""

import errno
import grp
import os
import secrets
import stat
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
    errno.EROFS: "read-only",
    errno.ESTALE: "stale-handle",
    errno.EIO: "io-error",
    errno.EREMOTEIO: "io-error",
    errno.ETIMEDOUT: "storage-away",
    errno.ENOTCONN: "storage-away",
    errno.ESHUTDOWN: "storage-away",
    errno.EHOSTDOWN: "storage-away",
    errno.EHOSTUNREACH: "storage-away",
    errno.ENETDOWN: "storage-away",
    errno.ENETUNREACH: "storage-away",
    errno.ENODEV: "storage-away",
    errno.EMFILE: "too-many-open-files",
    errno.ENFILE: "too-many-open-files",
    errno.ENOMEM: "no-memory",
    errno.EAGAIN: "busy",
}
"""What is no fault of the file: a file system of the network that died says most of these, a full host the last."""
UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)


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


def away(site: Site) -> str:
    """Say in a sentence why a site from which something was to be read is not there; nothing where it is.

    An empty folder is where a file system is mounted that is not there now: a site with content is never empty.
    """
    try:
        with os.scandir(site.root) as entries:
            there = next(entries, None) is not None or os.path.ismount(site.root)
    except PermissionError:
        return ""  # a folder that may be passed through, not listed
    except OSError as error:
        return f"site {site.name} is not there: {site.root}: {os.strerror(error.errno or 0)}"
    return "" if there else f"site {site.name} is not there: {site.root} is empty, and nothing is mounted on it"


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
        finish(writer.fileno(), site)
    sync_folder(target.parent)
    return size, Checksums(adler32=f"{adler:08x}", blake3=blake.hexdigest())


def finish(descriptor: int, site: Site) -> None:
    """Give a written file its site's mode and group, and wait until it is on disk."""
    own(descriptor, site, site.file_mode)
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until what was made in a folder is on disk by name: a file that is synced can still lack one.

    A file system that cannot, and a folder that we may not list, let it be.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in UNSYNCABLE:
            raise


def own(what: int | Path, site: Site, mode: int) -> None:
    """Give a file or folder that we made its site's group and a mode of it, whatever our umask is."""
    if site.group is not None:
        # Before the mode: a change of group takes a setgid bit away.
        os.chown(what, -1, group_id(site))
    if stat.S_IMODE(os.stat(what).st_mode) != mode:  # noqa: PTH116 (a descriptor or a path)
        os.chmod(what, mode)  # noqa: PTH101


def group_id(site: Site) -> int:
    """Give the number of a site's group, named or numbered. Raises `InfrastructureError` where this host has none."""
    name = site.group or ""
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise InfrastructureError("no-group", f"site {site.name}: this host has no group {name}") from error


def own_all(site: Site, folder: Path) -> None:
    """Give everything that a step left in its folder the site's group and modes."""
    own(folder, site, site.dir_mode)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                own_all(site, Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                own(Path(entry.path), site, site.file_mode)


def make_root(site: Site) -> None:
    """Make a site's root where it is missing; one that is there stays as it is."""
    root = Path(site.root)
    if not root.is_dir():
        root.mkdir(parents=True)
        own(root, site, site.dir_mode)


def make_folder(site: Site, path: str) -> Path:
    """Make a folder below a site's root, each new level with the site's mode and group.

    Raises `InfrastructureError` where the root is not there: a file system that is not mounted is no item's fault.
    """
    folder = Path(site.root)
    if not folder.is_dir():
        raise InfrastructureError("site-away", f"site {site.name} is not there: {site.root} is no folder")
    for part in Path(path).parts:
        folder = folder / part
        if not folder.is_dir():
            _make_one(folder, site)
    return folder


def _make_one(folder: Path, site: Site) -> None:
    """Make one folder that is never seen with another mode: a second user may write in it at the same moment."""
    fresh = folder.with_name(f".new-{secrets.token_hex(8)}")
    fresh.mkdir()
    try:
        own(fresh, site, site.dir_mode)
        fresh.rename(folder)
    except OSError:
        fresh.rmdir()
        if not folder.is_dir():  # else somebody was quicker, and has filled it already
            raise


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
