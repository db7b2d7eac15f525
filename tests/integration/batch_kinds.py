"""The back ends of the batch contract, each over a batch system of the test's own."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from headframe.daemon.slurm.choose import pyslurm_fits
from headframe.daemon.slurm.commands import Commands
from headframe.daemon.slurm.contract import Batch
from headframe.daemon.slurm.local import Local
from headframe.daemon.slurm.pyslurm_api import PySlurm
from headframe.daemon.slurm.slurmrestd import Slurmrestd

from .servers import ServerMissing
from .slurm_server import Slurm

OF_SLURM = ("commands", "pyslurm", "pyslurm-older", "slurmrestd")
KINDS = (*OF_SLURM, "local")


class Elsewhere:
    """A back end in a process of its own: libslurm reads its configuration once a process, and may end it."""

    def __init__(self, make: Callable[[], Batch], environ: dict[str, str]) -> None:
        self._make = make
        self._process = ProcessPoolExecutor(1, get_context("spawn"), use, (environ,))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Give a method that is called over there."""
        return lambda *arguments: self._process.submit(call, self._make, name, arguments).result(120)

    def close(self) -> None:
        """End the process."""
        self._process.shutdown(cancel_futures=True)


def use(environ: dict[str, str]) -> None:
    """Set what the process over there finds in its environment."""
    os.environ.update(environ)


def call(make: Callable[[], Batch], name: str, arguments: tuple[Any, ...]) -> Any:
    """Call a method of a back end."""
    return getattr(make(), name)(*arguments)


def commands(slurm: Slurm, _: pytest.FixtureRequest) -> Batch:
    """Give SLURM by its commands."""
    return Commands(environ=slurm.environ)


def pyslurm(slurm: Slurm, request: pytest.FixtureRequest) -> Batch:
    """Give SLURM by pyslurm, where the installed one fits SLURM's version."""
    fits, why = pyslurm_fits(Commands(environ=slurm.environ))
    if not fits:
        pytest.skip(f"pyslurm: {why}")
    batch = Elsewhere(older if "older" in request.node.name else PySlurm, slurm.environ)
    request.addfinalizer(batch.close)
    return cast("Batch", batch)


def older() -> PySlurm:
    """Give a back end that sees of pyslurm only what the first generation of its interface had."""
    import pyslurm as module

    names = ("job", "node", "partition", "reservation", "slurm_kill_job")
    return PySlurm(module=SimpleNamespace(**{name: getattr(module, name) for name in names}))


def slurmrestd(slurm: Slurm, request: pytest.FixtureRequest) -> Batch:
    """Give SLURM by a slurmrestd of the test's own, on a unix socket."""
    try:
        address, process = slurm.slurmrestd()
    except ServerMissing as error:
        pytest.skip(f"slurmrestd: {error}")
    request.addfinalizer(lambda: process.end(signal.SIGKILL))
    return Slurmrestd(address, environ={**slurm.environ, "USER": slurm.user})


OVER_SLURM: dict[str, Callable[[Slurm, pytest.FixtureRequest], Batch]] = {
    "commands": commands,
    "pyslurm": pyslurm,
    "pyslurm-older": pyslurm,
    "slurmrestd": slurmrestd,
}


def over_slurm(kind: str, slurm: Slurm, request: pytest.FixtureRequest) -> Batch:
    """Give a back end of this kind that speaks to this SLURM; skip the test if it is not here."""
    return OVER_SLURM[kind](slurm, request)


def alone(folder: Path) -> Batch:
    """Give local processes, which need no batch system."""
    return Local(folder)
