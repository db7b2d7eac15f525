"""One launcher of a name at a time on a host, and the random id by which the service tells two hosts' apart."""

import fcntl
import os
import secrets
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from ..config import Config


class LockedError(Exception):
    """Another launcher of this name runs on this host, or the file that would tell so is not ours."""


class Lock:
    """Held while a launcher runs; ends with the process, however that ends.

    The file keeps the id, so that a launcher that is started again on its host is still the same one to the service.
    """

    _TODO = "have it removed, or set TMPDIR to a folder of your own"

    def __init__(self, config: Config, folder: Path | None = None) -> None:
        name = f"headframe-launcher-{os.getuid()}-{config.instance}-{config.launcher.name}.lock"
        self.path = (folder or Path(tempfile.gettempdir())) / name
        self._name = config.launcher.name
        self._file = -1

    def __enter__(self) -> Self:
        """Take the lock. Raises `LockedError`."""
        self._file = self._opened()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            host = socket.gethostname()
            what = f"another launcher {self._name} runs on {host} ({self.path})"
            raise LockedError(f"{what}; end it first, or set another launcher.name") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)

    @classmethod
    def last_owner(cls, config: Config, folder: Path | None = None) -> str:
        """Give the id of the launcher that runs here or ran here last, without taking its place; a new one else."""
        lock = cls(config, folder)
        lock._file = lock._opened()
        try:
            return lock.owner()
        finally:
            os.close(lock._file)

    def _opened(self) -> int:
        """Open the file. Anybody may have made one of this name, where all keep their temporary files."""
        try:
            opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LockedError(f"{self.path} cannot be opened: {error.strerror}; {self._TODO}") from error
        if os.fstat(opened).st_uid != os.getuid():
            os.close(opened)
            raise LockedError(f"{self.path} is not ours; {self._TODO}")
        return opened

    def owner(self) -> str:
        """Give the id, made when there is none yet."""
        found = os.pread(self._file, 64, 0).decode("ascii", "replace").strip()
        if len(found) == 16 and found.isalnum():
            return found
        made = secrets.token_hex(8)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, made.encode(), 0)
        return made
