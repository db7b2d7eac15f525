"""What a pilot finds around itself: its node and job, when that ends, what it may use. SLURM says so in variables."""

import os
import socket
import time
from collections.abc import Mapping, MutableMapping

from ...consumers.worker import oom
from ...statemachine.records import Record

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Libraries would start a thread for each core of the node, in each of its workers."""


class Surroundings(Record):
    """`node` is the batch system's name of this node, `nodes` all of the job's. Times are Unix times; memory in bytes,
    0 where nobody limits it. `ends_at` is None where nobody said when it ends."""

    node: str
    nodes: str
    began_at: float
    job: str = ""
    ends_at: float | None = None
    cpus: int = 1
    memory: int = 0

    @property
    def walltime_s(self) -> float:
        """Give how long the job may take altogether; 0 where that is not known."""
        return max(0.0, self.ends_at - self.began_at) if self.ends_at is not None else 0.0


def look(environ: Mapping[str, str], walltime_s: float = 0.0, memory: int = 0) -> Surroundings:
    """Look around. `walltime_s` and `memory` are what was asked for: they count where the node says nothing."""
    node, now = environ.get("SLURMD_NODENAME") or socket.gethostname(), time.time()
    cpus = _number(environ, "SLURM_CPUS_ON_NODE") or len(os.sched_getaffinity(0))
    ends_at = _number(environ, "SLURM_JOB_END_TIME") or (now + walltime_s if walltime_s else None)
    return Surroundings(
        node=node,
        nodes=environ.get("SLURM_JOB_NODELIST") or node,
        job=environ.get("SLURM_JOB_ID", ""),
        began_at=_number(environ, "SLURM_JOB_START_TIME") or now,
        ends_at=ends_at,
        cpus=cpus,
        memory=_memory(environ, cpus) or oom.limit() or memory,
    )


def few_threads(environ: MutableMapping[str, str], threads: int) -> None:
    """Let the libraries of steps start so many threads and no more, unless the site's own script says otherwise."""
    for name in THREADS:
        environ.setdefault(name, str(threads))


def _memory(environ: Mapping[str, str], cpus: int) -> int:
    """Give the memory of this node that is ours, as SLURM says it (in MiB); 0 is all of it."""
    of_node = _number(environ, "SLURM_MEM_PER_NODE") or _number(environ, "SLURM_MEM_PER_CPU") * cpus
    return of_node << 20


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "")
    return int(text) if text.isdigit() else 0
