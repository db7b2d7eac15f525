"""From `[pilot.<name>]` and the node to a running pilot."""

import os

import msgspec
import structlog

from ...consumers.worker.settings import WorkerSettings
from .. import logs, wiring
from ..config import Config, ConfigError
from ..config.launching import PilotConfig
from ..config.surroundings import Surroundings, few_threads, look
from ..monitor.monitor import Monitor
from . import crew
from .nursing import nursery_of
from .pilot import Pilot, PilotSettings
from .signals import catch_signals

log = structlog.get_logger("headframe.pilot")
GRACE_S = 10.0
"""A worker that is told to leave hands back after so long at most: SLURM kills it after 30 s (its KillWait)."""


def run(
    config: Config,
    name: str,
    token: str,
    *,
    large: bool,
    expected: dict[str, float],
    walltime_s: float,
    stay: bool = False,
) -> int:
    """Be the pilot `token` of this node; give its exit code. Raises `ConfigError` where it is not configured."""
    asked = _asked(config, name)
    logs.set_up(config)
    around = look(os.environ, walltime_s, int(asked.memory * (asked.large if large else 1)))
    structlog.contextvars.bind_contextvars(pilot=token, job=around.job, node=around.node)
    few_threads(os.environ, max(1, around.cpus // asked.workers))
    workers = settings(config, asked, around, name=name, token=token, large=large, expected=expected)
    signals = catch_signals()
    crew.prepare()
    with nursery_of(workers.preload) as nursery:
        workers = msgspec.structs.replace(workers, nursery=nursery)
        monitor = _monitor(config)
        pilot = Pilot(
            config,
            PilotSettings(workers=asked.workers, idle_s=asked.idle_s, drain_s=asked.drain_s, stay=stay),
            workers,
            around,
            monitor.loop("pilot").beat,
        )
        monitor.needs("workers", lambda: "" if pilot.crew.ready else "none of its workers has begun yet")
        pilot.start()
        monitor.started()
        try:
            return pilot.run(signals)
        finally:
            monitor.close()


def _monitor(config: Config) -> Monitor:
    """Give the pilot's monitor. Several pilots may share a node, and so the port: the first one has it."""
    monitor = Monitor("pilot", config.monitor.hang_s)
    try:
        monitor.open(config)
    except OSError as error:
        log.warning("this pilot has no end point of its own", cause=str(error))
    return monitor


def settings(
    config: Config,
    asked: PilotConfig,
    around: Surroundings,
    *,
    name: str,
    token: str,
    large: bool = False,
    expected: dict[str, float] | None = None,
) -> WorkerSettings:
    """Say what the workers of a pilot may do, and how long."""
    made = wiring.worker_settings(config, _last_first(config, asked.steps), name, asked.lanes)
    return msgspec.structs.replace(
        made,
        job=around.job,
        threads=max(1, around.cpus // asked.workers),
        grace_s=min(made.grace_s, GRACE_S),
        large=large,
        pilot=token,
        pilot_name=name,
        host=around.node,
        ends_at=around.ends_at,
        walltime_s=around.walltime_s,
        expected=expected or {},
        memory=around.memory // asked.workers,
    )


def _last_first(config: Config, steps: tuple[str, ...]) -> tuple[str, ...]:
    """Order a pilot's steps from the last one of a pipeline to the first: else nothing is done before all has begun.

    People name them in the order of the pipeline; which steps they are is what they mean.
    """
    return tuple(step for step in wiring.step_names(config)[::-1] if step in steps)


def _asked(config: Config, name: str) -> PilotConfig:
    if config.broker.url == "memory:":
        raise ConfigError(["broker.url: memory: works within one process tree only; pilots need amqp://..."])
    if name not in config.pilots:
        known = ", ".join(config.pilots) or "none"
        raise ConfigError([f"pilot.{name}: there is no such table; configured are: {known}"])
    return config.pilots[name]
