"""The launcher as a process: its lock, its service, its batch system; and how it leaves."""

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from ...client import Client
from ..config import Config, ConfigError
from ..monitor.loop import Loop
from ..monitor.monitor import Monitor
from ..slurm.choose import choose
from ..slurm.contract import Batch
from .launcher import Launcher
from .lock import Lock
from .service import Renewed, Service

log = structlog.get_logger("headframe.launcher")

TURNS = 5
"""A round may take as long as so many turns of other loops: it asks the batch system many things, each of which may
take until its time is over."""
LEAVE_S = 5.0
"""So long a round may go on once it is told to stop. One that is cut off loses nothing: what it had written down is
looked up by the next launcher."""


def run(config: Config, stop: threading.Event, *, token_file: Path | None = None) -> None:
    """Launch until told to stop, and leave the pilots running.

    Raises `LockedError`, `ConfigError`, `ClientError` where the service will not have it.
    """
    # It would tell of each try; the launcher says once that the service is away.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    with Lock(config) as lock:
        monitor = Monitor("launcher", TURNS * config.monitor.hang_s)
        launcher = make(config, stop, lock.owner(), token_file=token_file, loop=monitor.loop("launcher"))
        monitor.needs("round", lambda: launcher.waits or ("" if launcher.rounds else "the first round is under way"))
        monitor.open(config)
        monitor.started()
        log.info("launcher", name=config.launcher.name, back_end=launcher.batch.name, pilots=list(config.pilots))
        _until_told(launcher.run, stop)
        log.info("the launcher leaves; its pilots go on")
        monitor.close()


def once(config: Config, *, token_file: Path | None = None) -> str:
    """Do one round and tell what became of it; say what was in the way."""
    with Lock(config) as lock:
        launcher = make(config, threading.Event(), lock.owner(), token_file=token_file)
        launcher.round()
        launcher.tell()
        return launcher.waits


def make(
    config: Config,
    stop: threading.Event,
    owner: str,
    *,
    token_file: Path | None = None,
    loop: Loop | None = None,
) -> Launcher:
    """Make a launcher. Raises `ConfigError` where nothing is configured, `ClientError` for a token that is none."""
    if not config.pilots:
        raise ConfigError(["pilot: there is none; add [pilot.<name>] with its steps"], str(config.source or ""))
    if not config.launcher.url:
        what = (
            "launcher.url: is missing; pilots are started by way of the REST API: expected https://host, as [web] url"
        )
        raise ConfigError([what], str(config.source or ""))
    return Launcher(
        config, batch(config), service(config, token_file), owner=owner, host=socket.gethostname(), stop=stop, loop=loop
    )


def batch(config: Config) -> Batch:
    """Give the batch system that is configured. Raises `AwayError` where it cannot be had."""
    return choose(config.launcher).batch


def service(config: Config, token_file: Path | None = None) -> Service:
    """Give the service at the configured address."""
    settings = config.launcher
    file = settings.token_file or token_file

    def client() -> Service:
        cafile = str(settings.cafile) if settings.cafile else None
        return Client(settings.url, token_file=file, timeout_s=settings.timeout_s, cafile=cafile)

    return Renewed(client)


def _until_told(work: Callable[[], None], stop: threading.Event) -> None:
    """Work in a thread of its own, so that a call that hangs keeps nobody from leaving. Raises what it raises."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # it belongs to who waits
            raised.append(error)
        finally:
            stop.set()

    working = threading.Thread(target=guarded, name="launcher", daemon=True)
    working.start()
    stop.wait()
    working.join(LEAVE_S)
    if raised:
        raise raised[0]
