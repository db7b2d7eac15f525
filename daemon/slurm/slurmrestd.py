"""SLURM by slurmrestd, where a site runs one: no SLURM on this host, only an address and perhaps a token.

Before v0.0.40 (SLURM 23.11) it can neither warn nor signal a batch script alone: there, pilots cannot be drained.
It cannot try a job out either: its lines and its partition are looked at instead.
"""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from . import reading, sbatch_lines
from .asking import MINIMAL
from .commands import ended_one
from .contract import (
    AwayError,
    JobSeen,
    JobUsage,
    JobWanted,
    Node,
    Partition,
    RefusedError,
    Reservation,
    UnclearError,
)
from .refusing import ending_error, submission_error
from .rest_wire import Wire


class Slurmrestd:
    """SLURM by slurmrestd. Only jobs of `user` (ours) are looked at."""

    name = "slurmrestd"

    def __init__(self, url: str, timeout_s: float = 30.0, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._wire = Wire(url, timeout_s, self._environ)
        self._apis: dict[str, int] = {}

    def version(self) -> str:
        """Give SLURM's version."""
        meta = self._ask("slurm", "ping").get("meta") or {}
        release = (meta.get("slurm") or meta.get("Slurm") or {}).get("release")
        if not release:
            raise AwayError(f"slurmrestd at {self._wire.url} does not say its version")
        return str(release)

    def submit(self, wanted: JobWanted) -> str:
        """Submit a job; give its number. Raises `RefusedError`, `UnclearError`."""
        path = self._path("slurm", "job/submit")
        answer = self._wire.call("POST", path, self._body(wanted))
        number = str(answer.get("job_id") or (answer.get("result") or {}).get("job_id") or "")
        if number.isdecimal():
            return number  # whatever else it says: v0.0.38 calls it an error that a job is held
        if said := errors(answer):
            raise self._submission_error(said)
        raise UnclearError(f"slurmrestd did not give a job's number, but: {str(answer)[:300]}")

    def try_out(self, wanted: JobWanted) -> str:
        """Look at a job's lines and its partition. Raises `RefusedError`."""
        asked = self._body(wanted)["job"].get("partition")
        if asked and asked not in {partition.name for partition in self.partitions()}:
            raise RefusedError(f"invalid partition specified: {asked}")
        return "slurmrestd cannot try a job out; its lines can be read, and its partition is there"

    def poll(self, prefix: str) -> tuple[JobSeen, ...]:
        """Give all jobs of ours whose name begins like this: one question for all."""
        return tuple(job for job in self._jobs() if job.token.startswith(prefix))

    def find(self, token: str) -> tuple[JobSeen, ...]:
        """Give the jobs of this name: those that slurmctld knows, else those on record."""
        known = tuple(job for job in self._jobs() if job.token == token)
        if known or not self._keeps_accounts():
            return known
        read = self._ask("slurmdb", f"jobs?job_name={quote(token)}")
        return tuple(seen for seen, _ in reading.recorded(read) if seen.token == token)

    def accounting(self, jobs: Iterable[str]) -> tuple[JobUsage, ...]:
        """Give what accounting says of these jobs; nothing where there is none."""
        if not self._keeps_accounts():
            return ()
        found: list[JobUsage] = []
        for job in sorted({job for job in jobs if job.isdecimal()}):
            recorded = reading.recorded(self._ask("slurmdb", f"job/{job}"))
            found += [usage for seen, usage in recorded if ended_one(seen, [job])]
        return tuple(found)

    def cancel(self, job: str) -> None:
        """End a job; one that has ended already is no error. Raises `RefusedError`."""
        self._delete(job, "")

    def drain(self, job: str) -> None:
        """Send SIGUSR1 to the batch script alone. Raises `RefusedError` before v0.0.40: it would reach its children."""
        if self._api("slurm") < sbatch_lines.SINCE_SIGNALS:
            raise RefusedError("slurmrestd before v0.0.40 cannot signal a batch script alone; cancel the job instead")
        self._delete(job, "?signal=USR1&flags=BATCH_JOB")

    def nodes(self) -> tuple[Node, ...]:
        """Give all nodes."""
        return reading.nodes(self._ask("slurm", "nodes"))

    def partitions(self) -> tuple[Partition, ...]:
        """Give all partitions."""
        return reading.partitions(self._ask("slurm", "partitions"))

    def reservations(self) -> tuple[Reservation, ...]:
        """Give all reservations."""
        return reading.reservations(self._ask("slurm", "reservations"))

    def _jobs(self) -> Iterable[JobSeen]:
        read = self._ask("slurm", "jobs")
        user = self._environ.get("USER") or self._environ.get("LOGNAME")
        ours = [job for job in read.get("jobs") or [] if not user or job.get("user_name", user) == user]
        return reading.jobs({"jobs": ours})

    def _body(self, wanted: JobWanted) -> dict[str, Any]:
        api = self._api("slurm")
        environment = {key: value for key, value in self._environ.items() if key in MINIMAL and key != "SLURM_JWT"}
        home = self._environ.get("HOME") or "/"
        job: dict[str, Any] = {"current_working_directory": home, **sbatch_lines.fields(wanted.script, api)}
        job |= {"name": wanted.token, **({"standard_output": wanted.log} if wanted.log else {})}
        if api < 39:
            return {"script": wanted.script, "job": {**job, "environment": environment}}
        pairs = [f"{key}={value}" for key, value in environment.items()]
        return {"job": {**job, "script": wanted.script, "environment": pairs}}

    def _submission_error(self, said: str) -> Exception:
        if "Failure during parsing" in said or "Unable to process key" in said:
            return RefusedError(said)
        found = submission_error(1, f"Batch job submission failed: {said}")
        return type(found)(said)

    def _delete(self, job: str, how: str) -> None:
        answer = self._wire.call("DELETE", self._path("slurm", f"job/{quote(job)}{how}"))
        if (said := errors(answer)) and (error := ending_error(1, said)):
            raise error

    def _ask(self, part: str, path: str) -> reading.Json:
        try:
            answer = self._wire.call("GET", self._path(part, path))
        except (UnclearError, RefusedError) as error:
            raise AwayError(str(error)) from error  # a question changes nothing
        if said := errors(answer):
            raise AwayError(f"slurmrestd failed at {path}: {said}")
        return answer

    def _path(self, part: str, path: str) -> str:
        return f"/{part}/v0.0.{self._api(part)}/{path}"

    def _api(self, part: str) -> int:
        """Give the newest API of a part (`slurm`, `slurmdb`), which the document of all calls names."""
        if not self._apis:
            try:
                paths = self._wire.call("GET", "/openapi/v3").get("paths") or {}
            except (UnclearError, RefusedError) as error:
                raise AwayError(str(error)) from error
            known = re.findall(r"/(slurm|slurmdb)/v0\.0\.(\d+)/", " ".join(paths))
            self._apis = {name: max(int(api) for each, api in known if each == name) for name, _ in known}
        if part not in self._apis:
            raise AwayError(f"slurmrestd at {self._wire.url} has no /{part}/: is that plugin loaded?")
        return self._apis[part]

    def _keeps_accounts(self) -> bool:
        self._api("slurm")
        return "slurmdb" in self._apis


def errors(answer: Mapping[str, Any]) -> str:
    """Give the errors of an answer in one line; nothing for an answer that is only empty."""
    found = [error for error in answer.get("errors") or [] if not reading.is_nothing_found(error)]
    return "; ".join(dict.fromkeys(reading.error_text(error) for error in found))
