"""Look at one path of an inbox: its size and time, or why it cannot be taken."""

import fcntl
import os
import signal
import stat
from pathlib import Path

from ...statemachine.records import Record


class Facts(Record):
    """What the file system says of a file. Only equality of these means anything: clocks differ and jump."""

    size: int
    mtime_ns: int


class Refused(Record):
    """Why something at a path is no raw file to take."""

    code: str
    sentence: str
    facts: Facts = Facts(size=-1, mtime_ns=0)


def look(root: str, path: str, *, follow: bool, entry: os.DirEntry[str] | None = None) -> Facts | Refused | None:
    """Look at a path below the real path `root`; none where nothing is (or is any longer).

    `entry` is what a walk has met there: it has entered no links, so that only the last part can be one.
    """
    full = f"{root}/{path}"
    try:
        if entry is not None and not entry.is_symlink():
            return _judged(full, entry.stat(follow_symlinks=False))
        # A manifest or an event may name a file below a linked folder, so the whole path counts.
        if not inside(root, full):
            return Refused(code="outside-inbox", sentence="a symbolic link leads out of the inbox", facts=_own(full))
        found = os.lstat(full)
        return _linked(full, follow=follow) if stat.S_ISLNK(found.st_mode) else _judged(full, found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Refused(code="unreadable", sentence=f"it cannot be looked at: {os.strerror(error.errno or 0)}")


def inside(root: str, full: str) -> bool:
    """Say whether a path, with all links followed, is or lies below the real path `root`."""
    real = os.path.realpath(full)
    return real == root or real.startswith(f"{root.rstrip('/')}/")


def nobody_writes(full: str) -> bool:
    """Say whether surely no process of this host has the file open for writing (False: do not know).

    A read lease is granted only then (fcntl(2), F_SETLEASE); it takes the owner's user id or CAP_LEASE.
    """
    try:
        descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Somebody may open it for writing in this very moment: that signal has to be one that does no harm.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _own(full: str) -> Facts:
    found = os.lstat(full)
    return Facts(size=found.st_size, mtime_ns=found.st_mtime_ns)


def _linked(full: str, *, follow: bool) -> Facts | Refused | None:
    found = Path(full).stat()
    if stat.S_ISDIR(found.st_mode):
        return None
    if follow:
        return _judged(full, found)
    facts = Facts(size=found.st_size, mtime_ns=found.st_mtime_ns)
    return Refused(code="symbolic-link", sentence="symbolic links are not followed here", facts=facts)


def _judged(full: str, found: os.stat_result) -> Facts | Refused:
    facts = Facts(size=found.st_size, mtime_ns=found.st_mtime_ns)
    if not stat.S_ISREG(found.st_mode):
        return Refused(code="not-a-file", sentence="it is neither a file nor a folder", facts=facts)
    if not os.access(full, os.R_OK):
        return Refused(code="unreadable", sentence="it may not be read by the watcher", facts=facts)
    return facts
