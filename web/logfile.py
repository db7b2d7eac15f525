"""The log of an attempt, as the services see its site: never outside the site's root, never more in memory than a part.

A site's root may hold links that lead elsewhere, and paths come from workers: what is opened is what the root holds.
"""

import os
import stat
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

TAIL_BYTES = 4 << 20
"""At most so much of a log's end is looked at for its last lines."""


class LogMissingError(Exception):
    """The log cannot be read here. The text says where it lies."""


def opened(root: str, path: str) -> BinaryIO:
    """Open a log below a site's root. Raises `LogMissingError` where it is not there, or not below the root."""
    if not root:
        raise LogMissingError("the services do not know the root of that site")
    base = os.path.realpath(root)
    found = os.path.realpath(os.path.join(base, path))  # noqa: PTH118 - a Path would lose what is wrong with it
    if os.path.commonpath((base, found)) != base:
        raise LogMissingError("that is not below the root of its site")
    try:
        handle = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise LogMissingError(str(error.strerror).lower()) from error
    wrong = "that is no file" if not stat.S_ISREG(os.fstat(handle).st_mode) else _strayed(handle, base)
    if wrong:
        os.close(handle)
        raise LogMissingError(wrong)
    return os.fdopen(handle, "rb")


def newest(root: str, pattern: str) -> str:
    """Give the path, below a site's root, of the log that was written to last of those that fit; nothing where none is.

    The pattern is that of `views.log_pattern`: only its last part has a `*`.
    """
    folder, _, name = pattern.rpartition("/")
    try:
        with os.scandir(os.path.join(root, folder)) as entries:  # noqa: PTH118
            fitting = [(entry.stat().st_mtime, entry.name) for entry in entries if fnmatchcase(entry.name, name)]
    except OSError:
        return ""
    return f"{folder}/{max(fitting)[1]}" if root and fitting else ""


def _strayed(handle: int, base: str) -> str:
    """Say what is wrong where a folder on the way was made a link after it was looked at."""
    place = Path(f"/proc/self/fd/{handle}")
    if place.is_symlink() and os.path.commonpath((base, place.readlink())) != base:
        return "that is not below the root of its site"
    return ""


def skip_to_tail(log: BinaryIO, lines: int) -> None:
    """Go to where the last `lines` lines begin, or to the last `TAIL_BYTES` of them."""
    end = log.seek(0, os.SEEK_END)
    start = max(0, end - TAIL_BYTES)
    log.seek(start)
    last = log.read(end - start)
    place = len(last) - 1 if last.endswith(b"\n") else len(last)
    for _ in range(lines):
        place = last.rfind(b"\n", 0, max(place, 0))
        if place < 0:
            break
    log.seek(start + place + 1 if lines else end)


def name_of(path: str) -> str:
    """Give the last part of a log's path, for who saves it."""
    return Path(path).name
