"""A batch system of a few lines, for doctor to look at, and a configuration of pilots."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from headframe.daemon.config import Config, load
from headframe.daemon.slurm.contract import (
    JobSeen,
    JobUsage,
    JobWanted,
    Node,
    Partition,
    RefusedError,
    Reservation,
    Standing,
)

GIB = 1 << 30
CONFIG = """
host_class = "service"
[database]
url = "postgresql://127.0.0.1:1/none"
[broker]
url = "amqp://127.0.0.1:1/"
[site.work]
path = "work"
[site.daq]
path = "daq"
kind = "source"
[worker]
work_site = "work"
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
[inbox.raw]
site = "daq"
path = "inbox"
pattern = 'run(?P<run>\\d+)_(?P<sequence>\\d+)\\.h5'
[private.place]
key_file = "key"
[launcher]
url = "http://127.0.0.1:1"
logs = "logs"
{launcher}
[pilot.reco]
steps = ["place"]
{pilot}
"""


def configured(folder: Path, pilot: str = "", launcher: str = "") -> Config:
    """Write a configuration with one name of pilots, `reco`, and read it."""
    for name in ("work", "daq", "logs"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "daq" / "inbox").mkdir(exist_ok=True)
    file = folder / "headframe.toml"
    file.write_text(CONFIG.format(pilot=pilot, launcher=launcher))
    return load(file, {})


class Double:
    """Says what it is told to say; `refuse` is its word to any job. Jobs run as processes of this host if `runs`."""

    name = "commands"

    def __init__(self, *, refuse: str = "", runs: bool = False, ends: bool = True) -> None:
        self.refuse, self.runs, self.ends = refuse, runs, ends
        self.tried: list[JobWanted] = []
        self.submitted: list[JobWanted] = []
        self.cancelled: list[str] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.partitions_there: tuple[Partition, ...] = ()
        self.nodes_there: tuple[Node, ...] = ()
        self.reservations_there: tuple[Reservation, ...] = ()

    def version(self) -> str:
        return "22.05.8"

    def submit(self, wanted: JobWanted) -> str:
        if self.refuse:
            raise RefusedError(self.refuse)
        self.submitted.append(wanted)
        job = str(len(self.submitted))
        if self.runs:
            with Path(wanted.log.replace("%j", job)).open("wb") as log:
                self.processes.append(
                    subprocess.Popen(["bash", "-c", wanted.script], stdout=log, stderr=subprocess.STDOUT)
                )
        return job

    def try_out(self, wanted: JobWanted) -> str:
        self.tried.append(wanted)
        if self.refuse:
            raise RefusedError(self.refuse)
        return "to start at once"

    def poll(self, prefix: str) -> tuple[JobSeen, ...]:
        return tuple(
            self._seen(n, wanted) for n, wanted in enumerate(self.submitted) if wanted.token.startswith(prefix)
        )

    def _seen(self, number: int, wanted: JobWanted) -> JobSeen:
        over = self.ends if not self.runs else self.processes[number].poll() is not None
        standing = Standing.ENDED if over else Standing.PENDING
        state, reason, code = ("FAILED", "", "failed") if over else ("PENDING", "Resources", "")
        return JobSeen(
            job=str(number + 1), token=wanted.token, standing=standing, state=state, reason=reason, code=code
        )

    def find(self, token: str) -> tuple[JobSeen, ...]:
        return self.poll(token)

    def accounting(self, jobs: Iterable[str]) -> tuple[JobUsage, ...]:
        return ()

    def cancel(self, job: str) -> None:
        self.cancelled.append(job)

    def drain(self, job: str) -> None:
        pass

    def nodes(self) -> tuple[Node, ...]:
        return self.nodes_there

    def partitions(self) -> tuple[Partition, ...]:
        return self.partitions_there

    def reservations(self) -> tuple[Reservation, ...]:
        return self.reservations_there


def node(name: str, *, usable: bool = True, partition: str = "main", cpus: int = 4, memory: int = 8 * GIB) -> Node:
    """Make a node."""
    state = "IDLE" if usable else "DOWN"
    reason = "" if usable else "broken fan"
    return Node(name=name, state=state, usable=usable, reason=reason, cpus=cpus, memory=memory, partitions=(partition,))
