"""The back ends of the batch contract, each over a batch system of the test's own."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from headframe.daemon.slurm.commands import Commands
from headframe.daemon.slurm.contract import Batch

from .slurm_server import Slurm

KINDS = ("commands", "pyslurm", "slurmrestd", "local")
OF_SLURM = KINDS[:3]


class Elsewhere:
    """A back end in a process of its own: libslurm reads its configuration once a process, and may end it."""

    def __init__(self, make: Callable[[], Batch], environ: dict[str, str]) -> None:
        self._make = make
        self._process = ProcessPoolExecutor(1, get_context("spawn"), os.environ.update, (environ,))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Give a method that is called over there."""
        return lambda *arguments: self._process.submit(call, self._make, name, arguments).result(120)

    def close(self) -> None:
        """End the process."""
        self._process.shutdown(cancel_futures=True)


def call(make: Callable[[], Batch], name: str, arguments: tuple[Any, ...]) -> Any:
    """Call a method of a back end."""
    return getattr(make(), name)(*arguments)


def commands(slurm: Slurm, _: pytest.FixtureRequest) -> Batch:
    """Give SLURM by its commands."""
    return Commands(environ=slurm.environ)


OVER_SLURM: dict[str, Callable[[Slurm, pytest.FixtureRequest], Batch]] = {"commands": commands}


def over_slurm(kind: str, slurm: Slurm, request: pytest.FixtureRequest) -> Batch:
    """Give a back end of this kind that speaks to this SLURM; skip the test if it is not here."""
    if kind not in OVER_SLURM:
        pytest.skip(f"{kind}: not built yet")
    return OVER_SLURM[kind](slurm, request)
