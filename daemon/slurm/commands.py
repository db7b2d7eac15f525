"""SLURM by its commands: sbatch, scancel, squeue, sinfo, sacct, scontrol."""

import os
import re
from collections.abc import Iterable, Mapping

from . import lines, reading
from .asking import ask, environment_of_questions, environment_of_sbatch
from .contract import AwayError, JobSeen, JobUsage, JobWanted, Node, Partition, Reservation, Standing, UnclearError
from .refusing import asking_error, ending_error, submission_error

SCONTROL_JSON = (23, 2)
"""The first SLURM whose scontrol gives JSON; before, only squeue, sinfo and sacct do."""
MANY = 500
"""How many jobs sacct is asked about at once, so that no command line becomes too long."""


class Commands:
    """SLURM by its commands. `environ` is what they are run in, after cleaning; ours, if there is none."""

    name = "commands"

    def __init__(self, timeout_s: float = 30.0, environ: Mapping[str, str] | None = None) -> None:
        ours = dict(os.environ if environ is None else environ)
        self._questions = environment_of_questions(ours)
        self._sbatch = environment_of_sbatch(ours)
        self._timeout_s = timeout_s
        self._config: dict[str, str] = {}

    def version(self) -> str:
        """Give the version of slurmctld."""
        return self.config()["SLURM_VERSION"]

    def config(self) -> dict[str, str]:
        """Give slurmctld's configuration; asked for once."""
        if not self._config:
            found = lines.settings(self._ask("scontrol", "show", "config"))
            if "SLURM_VERSION" not in found:
                raise AwayError("scontrol show config did not say SLURM_VERSION: is this SLURM?")
            self._config = found
        return self._config

    def submit(self, wanted: JobWanted) -> str:
        """Submit a job; give its number. Raises `RefusedError`, `UnclearError`."""
        printed = self._submit(wanted, "--parsable")
        found = re.fullmatch(r"(\d+)(;.*)?", printed.strip())
        if not found:
            raise UnclearError(f"sbatch did not give a job's number, but: {reading.one_line(printed)[:300]}")
        return found[1]

    def try_out(self, wanted: JobWanted) -> str:
        """Ask whether a job would be taken, without submitting it; give what was said. Raises `RefusedError`."""
        return self._submit(wanted, "--test-only")

    def poll(self, prefix: str) -> tuple[JobSeen, ...]:
        """Give all jobs of ours whose name begins like this, also those that ended lately: one question for all.

        squeue of 22.05 gives everybody's jobs as JSON, whatever is asked for; later ones only ours.
        """
        return tuple(job for job in self._squeue() if job.token.startswith(prefix))

    def find(self, token: str) -> tuple[JobSeen, ...]:
        """Give the jobs of this name, ended ones too: those that slurmctld knows, else those on record."""
        known = tuple(job for job in self._squeue() if job.token == token)
        return known or tuple(seen for seen, _ in self._sacct("--name", token) if seen.token == token)

    def accounting(self, jobs: Iterable[str]) -> tuple[JobUsage, ...]:
        """Give what accounting says of these jobs once they have ended; nothing where there is none."""
        wanted = sorted(set(jobs))
        found = []
        for first in range(0, len(wanted), MANY):
            page = wanted[first : first + MANY]
            # 22.05 is not trusted to leave others out, whatever it is asked for.
            found += [one for seen, one in self._sacct("--jobs", ",".join(page)) if ended_one(seen, page)]
        return tuple(found)

    def cancel(self, job: str) -> None:
        """End a job; one that has ended already is no error. Raises `RefusedError`."""
        self._scancel(job)

    def drain(self, job: str) -> None:
        """Tell a running job's pilot to finish what it does and leave (SIGUSR1 to the batch script alone)."""
        self._scancel("--batch", "--signal=USR1", job)

    def nodes(self) -> tuple[Node, ...]:
        """Give all nodes."""
        command = ("scontrol", "show", "nodes", "--json") if self._scontrol_json() else ("sinfo", "--json", "--all")
        return reading.nodes(self._json(*command))

    def partitions(self) -> tuple[Partition, ...]:
        """Give all partitions."""
        if self._scontrol_json():
            return reading.partitions(self._json("scontrol", "--all", "show", "partitions", "--json"))
        return lines.partitions(self._ask("scontrol", "--all", "--oneliner", "show", "partition"))

    def reservations(self) -> tuple[Reservation, ...]:
        """Give all reservations."""
        if self._scontrol_json():
            return reading.reservations(self._json("scontrol", "show", "reservations", "--json"))
        return lines.reservations(self._ask("scontrol", "--oneliner", "show", "reservation"))

    def _submit(self, wanted: JobWanted, how: str) -> str:
        log = [f"--output={wanted.log}"] if wanted.log else []
        command = ["sbatch", how, f"--job-name={wanted.token}", *log]
        done = ask(command, self._sbatch, self._timeout_s, wanted.script)
        if done.returncode:
            raise submission_error(done.returncode, done.stderr + done.stdout)
        return done.stdout or reading.one_line(done.stderr)

    def _squeue(self) -> Iterable[JobSeen]:
        return reading.jobs(self._json("squeue", "--json", "--me", "--states=all", "--all"))

    def _sacct(self, *which: str) -> Iterable[tuple[JobSeen, JobUsage]]:
        if not self._keeps_accounts():
            return ()
        return reading.recorded(self._json("sacct", "--json", "--starttime=now-14days", *which))

    def _keeps_accounts(self) -> bool:
        return not self.config().get("AccountingStorageType", "").endswith("/none")

    def _scancel(self, *arguments: str) -> None:
        done = ask(["scancel", *arguments], self._questions, self._timeout_s)
        if done.returncode and (error := ending_error(done.returncode, done.stderr + done.stdout)):
            raise error

    def _scontrol_json(self) -> bool:
        found = re.match(r"(\d+)\.(\d+)", self.version())
        return found is not None and (int(found[1]), int(found[2])) >= SCONTROL_JSON

    def _json(self, *command: str) -> reading.Json:
        return reading.document(self._ask(*command), command[0])

    def _ask(self, *command: str) -> str:
        try:
            done = ask(command, self._questions, self._timeout_s)
        except UnclearError as error:
            raise AwayError(str(error)) from error  # a question changes nothing
        if done.returncode:
            raise asking_error(command[0], done.returncode, done.stderr + done.stdout)
        return done.stdout


def ended_one(seen: JobSeen, wanted: Iterable[str]) -> bool:
    """Say whether a job is one of these, and has ended."""
    return seen.job in wanted and seen.standing is Standing.ENDED
