"""A service with its conductor and sweeper, and pilots started by hand as SLURM would start them on its nodes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from headframe.consumers.broker import Outgoing
from headframe.consumers.messages import Arrived, encode
from headframe.daemon import conducting, wiring
from headframe.daemon.config import load
from headframe.daemon.monitor.monitor import Monitor
from headframe.statemachine.database import upgrade
from headframe.statemachine.records import ArrivedFile

from .servers import wait_until

CONFIG = """
[site.mine]
path = "mine"
kind = "source"
[run_type.science]
[[pipeline.default.step]]
name = "work"
to = "worked"
use = "command:work"
makes = "nothing"
[command.work]
argv = ["sh", "-c", "touch {folder}/began; {script}"]
[worker]
work_site = "mine"
heartbeat_s = 0.5
[conductor]
refill_s = 0.2
[pilot.fast]
steps = ["work"]
workers = 2
idle_s = 120
"""
SCRIPT = "while [ ! -e {folder}/go-on ]; do sleep 0.05; done"


class PilotBench:
    """One instance with a conductor in this process; pilots are processes."""

    def __init__(self, folder: Path, servers: str, config: str) -> None:
        self.folder = folder
        self.file = folder / "headframe.toml"
        self.file.write_text(servers + config)
        (folder / "mine").mkdir(exist_ok=True)
        self.config = load(self.file, {})
        self.stop = threading.Event()
        self.engine = wiring.engine(self.config, "conductor", pool=8)
        upgrade(self.engine, self.config.instance)
        self.broker = wiring.broker(self.config, "test", self.stop)
        conductors = conducting.conductors(
            self.config, self.engine, self.broker, ("live", "bulk"), Monitor("conductor", hang_s=180)
        )
        self.thread = threading.Thread(target=conducting.run, args=(conductors, self.stop), daemon=True)
        self.thread.start()
        self.pilots: list[subprocess.Popen[bytes]] = []

    def arrive(self, *sequences: int) -> None:
        """Let files of run 7 arrive; there is nothing in them."""
        files = []
        for sequence in sequences:
            name = f"run7_{sequence}.raw"
            (self.folder / "mine" / name).write_bytes(b"")
            files.append(
                ArrivedFile(
                    site="mine", path=name, name=name, run=7, sequence=sequence, size=0, mtime_ns=1, kind="science"
                )
            )
        self.broker.publish(
            [Outgoing(key=wiring.names(self.config).arrivals, body=encode(Arrived(files=tuple(files))))]
        )

    def command(self, token: str = "hf-1", name: str = "fast") -> list[str]:
        """Give the command line of a pilot, which is intended by now."""
        with self.engine.begin() as connection:
            connection.execute(
                text("insert into pilot (token, name) values (:token, :name)"), {"token": token, "name": name}
            )
        words = ["--config", str(self.file), "pilot", "--name", name, "--token", token]
        return [sys.executable, "-m", "headframe", *words]

    def pilot(self, *words: str, token: str = "hf-1", **environ: str) -> subprocess.Popen[bytes]:
        """Start a pilot as SLURM does it on node n1, in a session of its own."""
        argv = self.command(token)
        around = {**os.environ, "SLURM_JOB_ID": "4711", "SLURMD_NODENAME": "n1", **environ}
        with (self.folder / f"{token}.log").open("ab") as log:
            made = subprocess.Popen([*argv, *words], env=around, stdout=log, stderr=log, start_new_session=True)
        self.pilots.append(made)
        return made

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Ask the database."""
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(text(statement))]

    def until(self, statement: str, what: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a query gives something; give its first row."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = self.rows(statement)
            return bool(found)

        try:
            wait_until(there, seconds, what)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.stands()}") from error
        return found[0]

    def until_executing(self, number: int = 1) -> None:
        """Wait until so many files are executing."""
        self.until(
            f"select 1 from item where scope = 'file' and phase = 'executing' having count(*) = {number}", "executing"
        )

    def began(self) -> None:
        """Wait until a step has begun its work."""
        wait_until((self.folder / "began").exists, 60, "a step has begun")

    def go_on(self) -> None:
        """Let all steps come to their end."""
        (self.folder / "go-on").touch()

    def interrupts(self) -> list[tuple[str, str]]:
        """Give code and reason of all interrupts."""
        rows = self.rows(
            "select reason_code, reason from history where trigger = 'interrupt' order by item_id, version"
        )
        return [(row["reason_code"], row["reason"]) for row in rows]

    def failures(self) -> int:
        """Count the attempts that were blamed on their file."""
        return int(self.rows("select count(*) as n from attempt where outcome = 'failed'")[0]["n"])

    def workers(self) -> list[int]:
        """Give the ids of the newest pilot's processes, but for those of steps: they have sessions of their own."""
        return processes_of(self.pilots[-1].pid)

    def ended(self, pilot: subprocess.Popen[bytes], seconds: float = 60) -> int:
        """Wait for a pilot's end; give its exit code."""
        try:
            return pilot.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"the pilot has not left\n{self.stands()}") from error

    def stands(self) -> str:
        """Tell where everything stands."""
        items = self.rows("select name, phase, reason_code, item.reason from item left join file on file.id = file_id")
        logs = "\n".join(path.read_text()[-4000:] for path in self.folder.glob("*.log"))
        return "\n".join([*map(str, items), *map(str, self.rows("select * from pilot")), logs])

    def close(self) -> None:
        """End everything."""
        for pilot in self.pilots:
            if pilot.poll() is None:
                pilot.send_signal(signal.SIGTERM)
                pilot.wait(60)
        self.stop.set()
        self.thread.join(60)
        self.broker.close()
        self.engine.dispose()


def processes_of(session: int) -> list[int]:
    """Give the ids of all processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(folder.name))
    return sorted(found)


def epoch_in(seconds: float) -> str:
    """Give the Unix time so many seconds from now, as SLURM writes it."""
    return str(int(time.time() + seconds))
