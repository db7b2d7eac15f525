"""Jobs as local processes, for one machine without a batch system.

A job is a folder: its script, the process that runs it, its log, its exit code. So jobs outlive the launcher, and
one that starts again finds them. Nothing is enforced: neither walltime nor memory nor cores, and nothing waits.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from ... import __version__
from .asking import MINIMAL
from .contract import JobSeen, JobUsage, JobWanted, Node, Partition, RefusedError, Reservation, Standing
from .local_job import LocalJob, filled_in

PARTITION = "local"
REMEMBERED_S = 7 * 86400.0


class Local:
    """Local processes, with a folder for each job below `folder`."""

    name = "local"

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        ours = os.environ if environ is None else environ
        self._environ = {key: value for key, value in ours.items() if key in MINIMAL}
        self._folder = folder.absolute()
        self._children: list[subprocess.Popen[bytes]] = []

    def version(self) -> str:
        """Give our own version: there is no batch system."""
        return __version__

    def submit(self, wanted: JobWanted) -> str:
        """Start a job; give its number. Raises `RefusedError` where its folder or log cannot be written."""
        try:
            self._forget_old()
            job = self._new_job(wanted)
        except OSError as error:
            raise RefusedError(f"no folder for a job can be made in {self._folder}: {error.strerror}") from error
        try:
            self._children.append(job.start(self._environment_of(job)))
        except OSError as error:
            shutil.rmtree(job.folder, ignore_errors=True)
            raise RefusedError(f"the job cannot be started: {error.strerror}: {error.filename}") from error
        return job.number

    def try_out(self, wanted: JobWanted) -> str:
        """Say whether a job's log could be written. Raises `RefusedError`."""
        folder = Path(filled_in(wanted.log, "")).parent if wanted.log else self._folder.parent
        if not folder.is_dir():
            raise RefusedError(f"there is no folder {folder}")
        return f"it would start at once on {hostname()}; nothing limits its time, memory or cores"

    def poll(self, prefix: str) -> tuple[JobSeen, ...]:
        """Give all jobs whose name begins like this."""
        self._children = [child for child in self._children if child.poll() is None]
        return tuple(job.seen(hostname()) for job in self._jobs() if job.token().startswith(prefix))

    def find(self, token: str) -> tuple[JobSeen, ...]:
        """Give the jobs of this name."""
        return tuple(job for job in self.poll(token) if job.token == token)

    def accounting(self, jobs: Iterable[str]) -> tuple[JobUsage, ...]:  # noqa: ARG002 - the contract's
        """Give nothing: nobody measures local jobs but their workers."""
        return ()

    def cancel(self, job: str) -> None:
        """End a job and all its processes: asked to first, then killed. One that is not known is no error."""
        if found := self._job(job):
            found.cancel()

    def drain(self, job: str) -> None:
        """Send SIGUSR1 to a job's script alone."""
        if found := self._job(job):
            found.drain()

    def nodes(self) -> tuple[Node, ...]:
        """Give this machine."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        cpus = os.cpu_count() or 1
        here = Node(name=hostname(), state="IDLE", usable=True, cpus=cpus, memory=memory, partitions=(PARTITION,))
        return (here,)

    def partitions(self) -> tuple[Partition, ...]:
        """Give the only partition: this machine."""
        return (Partition(name=PARTITION, state="UP", usable=True, nodes=hostname()),)

    def reservations(self) -> tuple[Reservation, ...]:
        """Give nothing: there are none."""
        return ()

    def _new_job(self, wanted: JobWanted) -> LocalJob:
        self._folder.mkdir(parents=True, exist_ok=True)
        number = max((int(job.number) for job in self._jobs()), default=0)
        while True:  # another launcher may take a number first
            number += 1
            job = LocalJob(self._folder / str(number))
            try:
                job.write(wanted)
            except FileExistsError:
                continue
            return job

    def _jobs(self) -> Iterator[LocalJob]:
        if not self._folder.is_dir():
            return
        for folder in sorted(self._folder.iterdir()):
            if folder.name.isdecimal():
                yield LocalJob(folder)

    def _job(self, number: str) -> LocalJob | None:
        found = LocalJob(self._folder / number) if number.isdecimal() else None
        return found if found and found.folder.is_dir() else None

    def _forget_old(self) -> None:
        before = datetime.fromtimestamp(time.time() - REMEMBERED_S, UTC)
        for job in self._jobs():
            seen = job.seen(hostname())
            if seen.standing is Standing.ENDED and seen.ended_at and seen.ended_at < before:
                shutil.rmtree(job.folder, ignore_errors=True)

    def _environment_of(self, job: LocalJob) -> dict[str, str]:
        told = {"SLURM_JOB_ID": job.number, "SLURM_JOB_NAME": job.token(), "SLURMD_NODENAME": hostname()}
        return {"PATH": os.defpath, **self._environ, **told}


def hostname() -> str:
    """Give this machine's name, as SLURM would: without its domain."""
    return socket.gethostname().split(".", maxsplit=1)[0]
