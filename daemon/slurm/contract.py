"""What the launcher needs of a batch system, and nothing more.

Every call may take a while and may fail. `RefusedError` is a definite no: nothing was done, and the same will be
refused again. `UnclearError` says that nobody knows whether it was done: look the token up (`find`) before doing it
again. `AwayError` says that nothing was asked, because nobody answered. Times are UTC, memory is in bytes, times of
limits in seconds.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ...statemachine.records import Record


class BatchError(Exception):
    """The base of all that a batch system can answer with. The text is one line, in its own words where it said any."""


class RefusedError(BatchError):
    """It said no: nothing was done, and saying it again will not help until something is changed."""


class UnclearError(BatchError):
    """Nobody knows whether it was done: the answer was lost, or took too long."""


class AwayError(BatchError):
    """Nobody answered, and nothing was done: slurmctld is down, or a command is missing."""


class Standing(StrEnum):
    """How a job is, in the words that the launcher needs; `JobSeen.state` has the batch system's own."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"


class JobWanted(Record):
    """A job to be submitted. `token` becomes its name, by which it is found again; `script` is all of it, with the
    `#SBATCH` lines of what was asked for. `log` is the path of its output."""

    token: str
    script: str
    log: str = ""


class JobSeen(Record):
    """A job as the batch system shows it. `code` says in one word why it ended: `done`, `failed`, `cancelled`,
    `preempted`, `walltime`, `memory`, `node-failed`; `reason` is the system's sentence, while it waits too.
    `restarts` is how often it was requeued.
    """

    job: str
    token: str
    standing: Standing
    state: str
    reason: str = ""
    code: str = ""
    nodes: str = ""
    restarts: int = 0
    exit_code: int | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None


class JobUsage(Record):
    """What accounting says of a job that ended: the second source, and what it used.

    `cpu_s` and `elapsed_s` in seconds, `memory_peak` in bytes; `cpus` were allocated; `queue_s` it had waited. `token`
    is the job's name, where accounting says that: a cluster that lost its state gives its numbers out again.
    """

    job: str
    state: str
    code: str
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    cpus: int = 0
    memory_peak: int = 0
    queue_s: float = 0.0
    token: str = ""


class Node(Record):
    """A node: its state in the batch system's words, whether jobs can start there, what it has."""

    name: str
    state: str
    usable: bool
    reason: str = ""
    cpus: int = 0
    memory: int = 0
    partitions: tuple[str, ...] = ()


class Partition(Record):
    """A partition: whether it takes jobs, and its limits (0: none)."""

    name: str
    state: str
    usable: bool
    nodes: str = ""
    walltime_s: int = 0
    memory_per_node: int = 0


class Reservation(Record):
    """A reservation: its nodes (as a host list), whom it lets in, from when until when."""

    name: str
    nodes: str
    users: str = ""
    accounts: str = ""
    state: str = ""
    begins_at: datetime | None = None
    ends_at: datetime | None = None


class Batch(Protocol):
    """A batch system. Every method raises `AwayError`; what else, each says itself."""

    name: str
    """`pyslurm`, `commands`, `slurmrestd` or `local`."""

    def version(self) -> str:
        """Give the batch system's version, such as `22.05.8`."""

    def submit(self, wanted: JobWanted) -> str:
        """Submit a job; give its number. Raises `RefusedError`, `UnclearError`."""

    def try_out(self, wanted: JobWanted) -> str:
        """Ask whether a job would be taken, without submitting it; give what was said. Raises `RefusedError`."""

    def poll(self, prefix: str) -> tuple[JobSeen, ...]:
        """Give all jobs of ours whose name begins like this, also those that ended lately: one question for all."""

    def find(self, token: str) -> tuple[JobSeen, ...]:
        """Give the jobs of this name, ended ones too, from wherever they can be known."""

    def accounting(self, jobs: Iterable[str]) -> tuple[JobUsage, ...]:
        """Give what accounting says of these jobs once they have ended; nothing where there is none."""

    def cancel(self, job: str) -> None:
        """End a job; one that has ended already is no error. Raises `RefusedError`."""

    def drain(self, job: str) -> None:
        """Tell a running job's pilot to finish what it does and leave (SIGUSR1 to the batch script alone)."""

    def nodes(self) -> tuple[Node, ...]:
        """Give all nodes."""

    def partitions(self) -> tuple[Partition, ...]:
        """Give all partitions."""

    def reservations(self) -> tuple[Reservation, ...]:
        """Give all reservations."""
