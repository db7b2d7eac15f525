"""The way to the batch system: which one and why, its commands, its answer, and whether versions fit."""

import os
import re
import shutil
from collections.abc import Iterator
from importlib import metadata

from ...finding import Finding
from ..asking import ask, environment_of_questions
from ..contract import Batch, BatchError

COMMANDS = ("sbatch", "squeue", "sinfo", "scontrol", "scancel", "sacct")
VERSION_S = 15.0
PYSLURM = "install the pyslurm whose first two numbers are the cluster's, or leave it: commands do the same"


def back_end_findings(batch: Batch, why: str) -> Iterator[Finding]:
    """Look at the back end that was chosen. Raises `AwayError` where nobody answers."""
    yield Finding("ok", "back end", f"{batch.name}{f': {why}' if why else ''}")
    if batch.name != "local":
        yield from _commands(batch.name)
    there = batch.version()
    yield Finding("ok", "batch system", f"answers, version {there}")
    if batch.name != "local":
        yield from _client(there)
        yield _pyslurm(there, batch.name)


def _commands(back_end: str) -> Iterator[Finding]:
    absent = [name for name in COMMANDS if shutil.which(name) is None]
    if not absent:
        yield Finding("ok", "commands", f"{', '.join(COMMANDS)} are here, in {_folder()}")
    elif absent == ["sacct"]:
        yield Finding(
            "warn", "commands", "sacct is not here: what a pilot used is known from itself only", "install it"
        )
    else:
        needed = back_end != "slurmrestd"
        sentence = f"{', '.join(absent)} not found in PATH"
        todo = "load the module that brings them, or run this on a login node"
        yield Finding("fail" if needed else "ok", "commands", sentence, todo)


def _folder() -> str:
    return (shutil.which("sbatch") or "").rpartition("/")[0]


def _client(there: str) -> Iterator[Finding]:
    here = _asked_sbatch()
    if not here:
        return
    if numbers(here) > numbers(there) != (0, 0):
        todo = "use the cluster's own commands: SLURM promises only that older ones work with a newer slurmctld"
        yield Finding("warn", "versions", f"commands here are {here}, newer than the cluster's {there}", todo)
    else:
        yield Finding("ok", "versions", f"commands {here}, cluster {there}")


def _asked_sbatch() -> str:
    try:
        done = ask(("sbatch", "--version"), environment_of_questions(os.environ), VERSION_S)
    except BatchError:
        return ""
    found = re.search(r"\d+\.\d+\S*", done.stdout)
    return found[0] if found else ""


def _pyslurm(there: str, back_end: str) -> Finding:
    try:
        here = metadata.version("pyslurm")
    except metadata.PackageNotFoundError:
        return Finding("ok", "pyslurm", f"not installed here; {back_end} does without")
    if numbers(here) == numbers(there):
        return Finding("ok", "pyslurm", f"{here} fits the cluster's {there}")
    return Finding("warn", "pyslurm", f"{here} does not fit the cluster's {there}, and is not used", PYSLURM)


def numbers(version: str) -> tuple[int, int]:
    """Give the two numbers that name a release of SLURM: 22.05.8 and pyslurm's 22.5.1 are both (22, 5)."""
    found = re.match(r"\D*(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
