"""The conductors of one process: one a lane, each in a thread of its own."""

import sys
import threading
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Engine

from ..consumers.broker import Broker
from ..consumers.worker.settings import new_owner
from . import wiring
from .conductor.conductor import Conductor, ConductorSettings
from .config import Config
from .monitor.monitor import Monitor

SESSIONS = 5
"""Sessions that a process may have open at once: one a lane, one that listens, one for the dead letters, one for the
depths of queues. What folds sums needs one now and then, for a moment, and takes it from the pool's overflow."""
BULK_BATCH = 200
"""Messages of the bulk lane in one batch, and items of it in one refill: no transaction of it is long."""
BULK_BYTES = 100_000
"""Bytes of those messages: a report of a parcel says as much as many messages do. An outcome takes some 500."""
SWITCH_S = 0.0005
"""After how long a thread that computes lets another one go on; Python's 5 ms would be added to each answer of the
database that the live lane waits for."""


def settings(config: Config, lane: str) -> ConductorSettings:
    """Say how a lane is conducted."""
    live = ConductorSettings(
        batch=config.conductor.batch, refill_s=config.conductor.refill_s, lost_hint_s=config.sweeper.lost_hint_s
    )
    if lane == "live":
        return live
    return msgspec.structs.replace(
        live,
        batch=min(live.batch, BULK_BATCH),
        batch_bytes=BULK_BYTES,
        chunk=BULK_BATCH,
        share=config.conductor.bulk_share,
    )


def conductors(
    config: Config, engine: Engine, broker: Broker, lanes: Sequence[str], monitor: Monitor
) -> list[Conductor]:
    """Make a process's conductors. They have one name; the first one says for all that they live."""
    names, book, owner = wiring.names(config), wiring.book(config), new_owner()
    made = [
        Conductor(
            engine,
            broker,
            names,
            book,
            settings(config, lane),
            wiring.site_rows(config),
            lane=lane,
            owner=owner,
            presents=tuple(lanes) if lane == lanes[0] else (),
            loop=monitor.loop(f"conductor {lane}"),
            conducted=monitor.conducted,
        )
        for lane in lanes
    ]
    for each in made if len(made) > 1 else ():
        each.pass_on = _waker([other for other in made if other is not each])
    return made


def run(parts: Sequence[Conductor], stop: threading.Event) -> None:
    """Let all conduct until told to stop. Where one dies, all stop, and its error is raised."""
    if len(parts) > 1:
        sys.setswitchinterval(SWITCH_S)
    errors: list[BaseException] = []

    def one(part: Conductor) -> None:
        try:
            part.run(stop)
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=one, args=(part,), name=f"conductor {part.lane}") for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _waker(others: Sequence[Conductor]) -> Callable[[], None]:
    def wake() -> None:
        for other in others:
            other.wake()

    return wake
