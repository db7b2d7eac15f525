"""SLURM by pyslurm, in both generations of its interface.

Up to 22.5.1 there are functions and classes that give dictionaries (`pyslurm.job().get()`); since 22.5.2 there are
`pyslurm.Jobs`, `Nodes`, `Partitions`, `db.Jobs`, and later `Reservations`. What a version lacks is asked of SLURM's
commands. Jobs are always submitted by sbatch: pyslurm reads only some `#SBATCH` lines and skips others in silence
(`pyslurm/core/job/sbatch_opts.pyx`), so a pilot might run outside its reservation.
"""

import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from . import reading
from .commands import Commands
from .contract import AwayError, JobSeen, JobUsage, Node, Partition, Reservation
from .refusing import ending_error

USR1 = 10
KILL = 9
BATCH_ONLY = 1
"""KILL_JOB_BATCH of slurm.h: the batch script's process, and no other."""


class PySlurm(Commands):
    """SLURM by pyslurm, and by its commands for what pyslurm lacks. Importing pyslurm needs a readable slurm.conf."""

    name = "pyslurm"

    def __init__(self, timeout_s: float = 30.0, environ: Mapping[str, str] | None = None, module: Any = None) -> None:
        super().__init__(timeout_s, environ)
        self._module = module

    @property
    def pyslurm(self) -> Any:
        """Give the module: imported when it is first needed."""
        if self._module is None:
            self._module = importlib.import_module("pyslurm")
        return self._module

    def nodes(self) -> tuple[Node, ...]:
        """Give all nodes."""
        return tuple(reading.node(each) for each in self._all(nodes))

    def partitions(self) -> tuple[Partition, ...]:
        """Give all partitions."""
        return tuple(reading.partition(each) for each in self._all(partitions))

    def reservations(self) -> tuple[Reservation, ...]:
        """Give all reservations."""
        return tuple(reading.reservation(each) for each in self._all(reservations))

    def _squeue(self) -> Iterable[JobSeen]:
        return [reading.job_seen(each) for each in self._all(jobs)]

    def _sacct(self, *which: str) -> Iterable[tuple[JobSeen, JobUsage]]:
        if not (hasattr(self.pyslurm, "db") and which[0] == "--jobs" and self._keeps_accounts()):
            return super()._sacct(*which)
        found = self._all(lambda module: recorded(module, which[1].split(",")))
        return [(reading.job_recorded(each), reading.usage(each)) for each in found]

    def _scancel(self, *arguments: str) -> None:
        number, drain = int(arguments[-1]), len(arguments) > 1
        try:
            signal(self.pyslurm, number, drain)
        except Exception as error:  # RPCError or ValueError: it depends on the generation
            if said := ending_error(1, message(error)):
                raise said from error

    def _all(self, give: Callable[[Any], Iterator[reading.Json]]) -> list[reading.Json]:
        try:
            return list(give(self.pyslurm))
        except Exception as error:  # RPCError or ValueError: it depends on the generation
            raise AwayError(f"pyslurm: {message(error)}") from error


def message(error: Exception) -> str:
    """Give what an error says: the first generation's hold a pair of text and number."""
    first = error.args[0] if error.args else error
    return reading.one_line(str(first[0] if isinstance(first, tuple) else first)) or type(error).__name__


def signal(module: Any, job: int, drain: bool) -> None:
    """End a job, or send SIGUSR1 to its batch script alone."""
    if not hasattr(module, "Job"):
        module.slurm_kill_job(job, USR1 if drain else KILL, BATCH_ONLY if drain else 0)
    elif drain:
        module.Job(job).send_signal(USR1, steps="batch")
    else:
        module.Job(job).cancel()


def jobs(module: Any) -> Iterator[reading.Json]:
    """Give our jobs in slurmctld, in the shape that `reading` knows."""
    ours = os.getuid()
    if not hasattr(module, "Jobs"):
        for old in module.job().get().values():
            if old["user_id"] == ours:
                code, _, by = str(old["exit_code"]).partition(":")
                yield {**old, "exit_code": {"return_code": code, "signal": {"id": by}}}
        return
    for job in module.Jobs.load().values():
        if job.user_id == ours:
            yield new_job(job)


def new_job(job: Any) -> reading.Json:
    """Give a `pyslurm.Job` in the shape that `reading` knows."""
    return {
        "job_id": job.id,
        "name": job.name,
        "job_state": job.state,
        "state_reason": job.state_reason,
        "nodes": job.allocated_nodes,
        "restart_cnt": job.requeue_count,
        "exit_code": {"return_code": job.exit_code, "signal": {"id": job.exit_code_signal}},
        "submit_time": job.submit_time,
        "start_time": job.start_time,
        "end_time": job.end_time,
        "time_limit": job.time_limit,
    }


def nodes(module: Any) -> Iterator[reading.Json]:
    """Give the nodes."""
    if not hasattr(module, "Nodes"):
        yield from module.node().get().values()
        return
    for node in module.Nodes.load().values():
        yield {
            "name": node.name,
            "state": node.state,
            "reason": node.reason,
            "cpus": node.total_cpus,
            "real_memory": node.real_memory,
            "partitions": node.partitions,
        }


def partitions(module: Any) -> Iterator[reading.Json]:
    """Give the partitions."""
    if not hasattr(module, "Partitions"):
        for old in module.partition().get().values():
            yield {**old, "max_time_limit": old["max_time"], "max_memory_per_node": old["max_mem_per_node"]}
        return
    for partition in module.Partitions.load().values():
        yield {
            "name": partition.name,
            "state": partition.state,
            "nodes": partition.nodes,
            "max_time_limit": partition.max_time,
            "max_memory_per_node": partition.max_memory_per_node,
        }


def reservations(module: Any) -> Iterator[reading.Json]:
    """Give the reservations; pyslurm has a class for them since 25.5."""
    if not hasattr(module, "Reservations"):
        for name, old in module.reservation().get().items():
            yield {**old, "name": name}
        return
    for one in module.Reservations.load().values():
        yield {
            "name": one.name,
            "node_list": one.nodes,
            "users": one.users,
            "accounts": one.accounts,
            "start_time": one.start_time,
            "end_time": one.end_time,
        }


def recorded(module: Any, numbers: list[str]) -> Iterator[reading.Json]:
    """Give jobs from slurmdbd."""
    wanted = module.db.JobFilter(ids=[int(number) for number in numbers if number.isdecimal()])
    for job in module.db.Jobs.load(wanted).values():
        memory, steps = job.stats.max_resident_memory, list(job.steps.values())
        # The job's own total is empty in 22.5; those of steps are in other units there.
        cpu = sum((step.stats.user_cpu_time or 0) + (step.stats.system_cpu_time or 0) for step in steps)
        yield {
            "job_id": job.id,
            "name": job.name,
            "state": {"current": job.state, "reason": job.state_reason},
            "nodes": job.nodelist,
            "exit_code": {"return_code": job.exit_code, "signal": {"id": job.exit_code_signal}},
            "time": {
                "submission": job.submit_time,
                "start": job.start_time,
                "end": job.end_time,
                "elapsed": job.elapsed_time,
                "total": {"seconds": max(cpu, job.stats.total_cpu_time or 0)},
            },
            "required": {"CPUs": job.cpus},
            "steps": [{"tres": {"requested": {"max": [{"type": "mem", "count": memory}]}}}],
        }
