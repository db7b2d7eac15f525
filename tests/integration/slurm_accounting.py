"""What SLURM keeps its accounting in, for tests: a private MariaDB and a slurmdbd, in SLURM's folder."""

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from .servers import NOBODY, Process, ServerMissing, free_ports, listening, wait_until

CLUSTER = "headframe"


class Accounting:
    """MariaDB and slurmdbd. The cluster, an account `physics` and the present user in it are made at the start."""

    def __init__(self, folder: Path, user: str) -> None:
        for program in ("mariadbd", "mariadb-install-db", "slurmdbd"):
            if not find(program):
                needed = "mariadb-server-core mariadb-client-core slurmdbd"
                raise ServerMissing(f"no {program} here: `apt-get install --no-install-recommends {needed}`")
        self.folder, self.user = folder, user
        self.port, self._sql_port = free_ports(2)
        self.mariadb: Process | None = None
        self.slurmdbd: Process | None = None
        self._as_user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        self._password = secrets.token_hex(8)

    def settings(self, enforce: str) -> dict[str, object]:
        """Give the lines of slurm.conf that make slurmctld use this."""
        ours: dict[str, object] = {
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": "127.0.0.1",
            "AccountingStoragePort": self.port,
        }
        return {**ours, "AccountingStorageEnforce": enforce} if enforce else ours

    def start(self) -> None:
        """Start both and tell slurmdbd of the cluster."""
        self._start_mariadb()
        self.start_slurmdbd()
        for words in (
            ["add", "cluster", CLUSTER],
            ["add", "account", "physics", f"Cluster={CLUSTER}"],
            ["add", "user", self.user, "Account=physics", "AdminLevel=Admin"],
            ["modify", "user", self.user, "set", "DefaultAccount=physics"],  # root has one of its own
        ):
            self._sacctmgr(*words)

    def start_slurmdbd(self) -> None:
        """Start slurmdbd; return when it listens."""
        self._write_configuration()
        command = [find("slurmdbd"), "-D"]
        self.slurmdbd = Process(command, self._env(), self.folder / "slurmdbd.log", self.folder)
        wait_until(lambda: running(self.slurmdbd) and listening(self.port), 120, "slurmdbd up")

    def stop_slurmdbd(self) -> None:
        """End slurmdbd."""
        if self.slurmdbd:
            self.slurmdbd.end(signal.SIGTERM)

    def close(self) -> None:
        """End both at once."""
        for process in (self.slurmdbd, self.mariadb):
            if process:
                process.end(signal.SIGKILL)

    def _start_mariadb(self) -> None:
        data = self.folder / "mariadb"
        data.mkdir()
        first = data / "first.sql"
        first.write_text(  # a statement a line, else the file is not understood
            f"CREATE USER slurm@'127.0.0.1' IDENTIFIED BY '{self._password}';\nGRANT ALL ON *.* TO slurm@'127.0.0.1';\n"
        )
        if self._as_user:
            self.folder.chmod(0o755)
            for path in (data, first):
                os.chown(path, NOBODY, NOBODY)
        where = [f"--datadir={data}/data", f"--tmpdir={data}"]
        install = [find("mariadb-install-db"), "--no-defaults", *where, "--skip-test-db", "--skip-name-resolve"]
        user = ["setpriv", *self._as_user] if self._as_user else []
        done = subprocess.run([*user, *install], cwd=data, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db failed: {done.stdout}{done.stderr}")
        listen = ["--bind-address=127.0.0.1", f"--port={self._sql_port}", f"--socket={data}/socket"]
        small = [
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--innodb-lock-wait-timeout=900",
        ]
        command = [find("mariadbd"), "--no-defaults", *where, *listen, *small, f"--init-file={first}"]
        self.mariadb = Process(command, self._env(), self.folder / "mariadb.log", data, self._as_user)
        wait_until(lambda: running(self.mariadb) and listening(self._sql_port), 120, "MariaDB up")

    def _write_configuration(self) -> None:
        settings: dict[str, object] = {
            "AuthType": "auth/none",
            "DbdHost": "localhost",
            "DbdAddr": "127.0.0.1",
            "DbdPort": self.port,
            "SlurmUser": self.user,
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "127.0.0.1",
            "StoragePort": self._sql_port,
            "StorageUser": "slurm",
            "StoragePass": self._password,
            "PidFile": self.folder / "slurmdbd.pid",
            "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
        }
        path = self.folder / "slurmdbd.conf"  # slurmdbd looks for it beside slurm.conf, and wants it private
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        path.chmod(0o600)

    def _sacctmgr(self, *words: str) -> None:
        command = ["sacctmgr", "-i", *words]
        done = subprocess.run(command, env=self._env(), capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")

    def _env(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "LC_ALL": "C",
            "TZ": "UTC",
        }


def find(program: str) -> str:
    """Give the path of a program, or nothing."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def running(process: Process | None) -> bool:
    """Say whether it lives; raises with the end of its log if it ended by itself."""
    return process is not None and process.running()
