"""The records of pilots: what the launcher keeps running on a cluster, and how it asks for it."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ...statemachine.lanes import LANES
from ...statemachine.records import Record
from .types import Count, Memory, Seconds, Walltime

Natural = Annotated[int, msgspec.Meta(ge=0)]


class LauncherConfig(Record):
    """The launcher of a cluster. `url` is the REST API, `token_file` holds its token; `name` tells it from others.

    `back_end` is how it speaks to the batch system: `auto` is pyslurm where that fits the cluster, else its commands.
    `logs` is where pilots' output goes: a folder that this host and the nodes see. `config` is the configuration that
    pilots read (default: this one), `command` how headframe is started there (default: as here).
    """

    name: str = "main"
    url: str = ""
    token_file: Path | None = None
    cafile: Path | None = None
    back_end: Literal["auto", "pyslurm", "commands", "slurmrestd", "local"] = "auto"
    slurmrestd: str = ""
    interval_s: Seconds = 10.0
    timeout_s: Seconds = 30.0
    grace_s: Seconds = 300.0
    refused_s: Seconds = 60.0
    refused_max_s: Seconds = 3600.0
    logs: Path = Path("pilots")
    config: Path | None = None
    command: tuple[str, ...] = ()


class PilotConfig(Record):
    """Pilots of one name: `[pilot.<name>]`. Each runs `workers` processes on each of its `nodes`, for these `steps`.

    Between `min` and `max` of them are kept: as many as the waiting work needs to be done `within_s`. `min` of them
    stay though idle; the others leave when idle for `idle_s`. Each is told `drain_s` before its walltime ends. Those
    for work that ran out of time or memory get `large` times as much of both. `script` holds a site's own lines,
    `options` further ones of sbatch. `memory` and `cores`: of a node; 0 is whatever the partition gives, and a core a
    worker.
    """

    steps: tuple[str, ...]
    lanes: tuple[str, ...] = LANES
    min: Natural = 0
    max: Count = 1
    max_pending: Count = 10
    within_s: Seconds = 600.0
    workers: Count = 1
    nodes: Count = 1
    cores: Natural = 0
    memory: Memory = Memory(0)
    walltime: Walltime = Walltime(3600)
    large: Annotated[float, msgspec.Meta(ge=1, le=100)] = 2.0
    partition: str = ""
    account: str = ""
    qos: str = ""
    reservation: str = ""
    constraint: str = ""
    exclusive: bool = False
    options: tuple[str, ...] = ()
    script: tuple[str, ...] = ()
    idle_s: Seconds = 120.0
    drain_s: Seconds = 120.0
