"""What a worker process is told by its configuration, and the random id under which it owns epochs."""

import secrets
import socket
from typing import Any

from ... import __version__
from ...statemachine.lanes import LANES
from ...statemachine.records import Record, Reporter
from ..broker import topology
from ..steps.api import Site

SETTLE = topology.SETTLE


class CommandSpec(Record):
    """A program that a command step runs, as this host has it. Exit codes not named are a fail, 0 is done."""

    argv: tuple[str, ...]
    setup: str | None = None
    image: str | None = None
    exit_codes: dict[int, str] = {}
    environment: dict[str, str] = {}


class WorkerSettings(Record):
    """`steps` in order of preference; `lanes` that it takes, live first. Times in seconds: a step longer than `quick_s`
    says that it has started. `preload` names modules that the steps' process imports before its first step. Steps of
    the bulk lane run in a process of their own, nicer than the others by `bulk_nice`. `large` says what becomes of work
    that ran out of time or memory before: None takes it once nothing else waits, False leaves it, True takes it first.

    In a pilot: its token and name, its node (`host`), when its walltime ends (Unix time) and how long it was, how long
    steps are expected to take, the share of memory (in bytes) of each worker, 0 if that is not known; and the socket of
    the nursery that the processes of steps are forked from.
    """

    steps: tuple[str, ...]
    sites: dict[str, Site]
    lanes: tuple[str, ...] = LANES
    commands: dict[str, CommandSpec] = {}
    private: dict[str, dict[str, Any]] = {}
    heartbeat_s: float = 10.0
    presence_s: float = 5.0
    grace_s: float = 30.0
    quick_s: float = 1.0
    name: str = ""
    job: str = ""
    threads: int = 1
    preload: tuple[str, ...] = ()
    bulk_nice: int = 0
    large: bool | None = None
    pilot: str = ""
    pilot_name: str = ""
    host: str = ""
    ends_at: float | None = None
    walltime_s: float = 0.0
    expected: dict[str, float] = {}
    memory: int = 0
    nursery: str = ""


def new_owner() -> str:
    """Give a random id for this process start; never a host or pod name, which come again."""
    return secrets.token_hex(6)


def reporter(settings: WorkerSettings, owner: str) -> Reporter:
    """Give what each report of this worker is signed with."""
    name, host = settings.name, settings.host or socket.gethostname()
    return Reporter(owner=owner, host=host, job=settings.job, worker=name, version=__version__, pilot=settings.pilot)
