"""Running one of SLURM's commands: in a process group of its own, with a time limit, in a clean environment."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from .contract import AwayError, UnclearError

KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")
MINIMAL = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "LD_LIBRARY_PATH", "KRB5CCNAME", *KEPT)


def environment_of_questions(ours: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of commands that ask: without a person's own defaults, in plain English and UTC.

    `SQUEUE_FORMAT`, `SACCT_FORMAT`, `SLURM_CLUSTERS`, `SLURM_TIME_FORMAT` and their like change what is answered.
    """
    theirs = ("SLURM", "SBATCH", "SQUEUE", "SINFO", "SACCT", "SCANCEL", "SCONTROL")
    kept = {key: value for key, value in ours.items() if key in KEPT or not key.startswith(theirs)}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def environment_of_sbatch(ours: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of sbatch, which becomes the job's: just enough to find programs and a home.

    So no secret of the launcher's shell reaches a compute node, and no `SBATCH_...` of it changes what is asked for.
    `--export=NONE` would do the first too, but has slurmd run the user's login scripts, which may take minutes.
    """
    return {key: value for key, value in ours.items() if key in MINIMAL}


def ask(
    command: Sequence[str], environ: Mapping[str, str], timeout_s: float, text: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a command; give what it printed. Raises `AwayError` if it is missing, `UnclearError` if it takes too long."""
    try:
        process = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        where = environ.get("PATH", "")
        raise AwayError(f"{command[0]} cannot be started: {error.strerror}; is SLURM in the PATH ({where})?") from error
    try:
        printed, complained = process.communicate(text, timeout_s)
    except BaseException as error:
        end_group(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise UnclearError(f"{command[0]} did not end within {timeout_s:g} s") from None
        raise
    return subprocess.CompletedProcess(command, process.returncode, printed, complained)


def end_group(process: "subprocess.Popen[str]") -> None:
    """Kill a command and all that it started, which may outlive it and keep its pipes open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
