"""Choosing how to speak to the batch system, and saying why."""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

from ...statemachine.records import Record
from ..config.launching import LauncherConfig
from .commands import Commands
from .contract import AwayError, Batch, BatchError
from .local import Local


class Choice(Record):
    """A back end, and in one sentence why it is this one."""

    batch: Batch
    reason: str


def choose(config: LauncherConfig, environ: Mapping[str, str] | None = None) -> Choice:
    """Give the back end that the configuration names, or for `auto` the best that fits.

    Raises `AwayError` for one that is named and cannot be had.
    """
    if config.back_end == "local":
        return Choice(batch=Local(Path(config.logs) / "jobs", environ), reason="it is configured: local processes")
    if config.back_end == "slurmrestd":
        return slurmrestd(config)
    commands = Commands(config.timeout_s, environ)
    if config.back_end == "commands":
        return Choice(batch=commands, reason="it is configured: SLURM by its commands")
    fits, why = pyslurm_fits(commands)
    if fits:
        from .pyslurm_api import PySlurm

        return Choice(batch=PySlurm(config.timeout_s, environ), reason=why)
    if config.back_end == "pyslurm":
        raise AwayError(f"[launcher] back_end is pyslurm, but {why}")
    return Choice(batch=commands, reason=f"SLURM by its commands: {why}")


def slurmrestd(config: LauncherConfig) -> Choice:
    """Give slurmrestd at the configured address."""
    from .slurmrestd import Slurmrestd

    if not config.slurmrestd:
        raise AwayError(
            "[launcher] back_end is slurmrestd, but slurmrestd says no address: unix:/path or http://host:port"
        )
    batch = Slurmrestd(config.slurmrestd, config.timeout_s)
    return Choice(batch=batch, reason=f"it is configured: slurmrestd at {config.slurmrestd}")


def pyslurm_fits(commands: Commands) -> tuple[bool, str]:
    """Say whether the installed pyslurm is made for the cluster's SLURM, and the reason.

    It is not imported to find out: a libslurm that meets a configuration it cannot read ends the whole process.
    """
    try:
        installed = importlib.metadata.version("pyslurm")
    except importlib.metadata.PackageNotFoundError:
        return False, "pyslurm is not installed"
    try:
        cluster = commands.version()
    except BatchError as error:
        return False, f"pyslurm {installed} is installed, but the cluster's version is not known ({error})"
    if release(installed) != release(cluster):
        return (
            False,
            f"pyslurm {installed} does not fit the cluster's SLURM {cluster}: {release_text(cluster)} is needed",
        )
    return True, f"pyslurm {installed} fits the cluster's SLURM {cluster}"


def release(version: str) -> tuple[int, ...]:
    """Give the first two numbers of a version: SLURM 22.05.8 is (22, 5), as is pyslurm 22.5.3."""
    parts = version.split(".")[:2]
    return tuple(int(part) for part in parts if part.isdecimal())


def release_text(version: str) -> str:
    """Give the pyslurm that fits, such as `pyslurm 22.5.*`."""
    return f"pyslurm {'.'.join(str(part) for part in release(version))}.*"
