"""RabbitMQ ends a consumer that does not acknowledge in time; a step may take much longer than that."""

import time
from collections.abc import Iterator

import pytest

from headframe.consumers.broker import Queue, Topology
from headframe.consumers.broker.connect import connect

from ..integration.broker_help import gather, send
from ..integration.rabbit_server import RabbitServer
from .conftest import Make
from .longstep import LongStep, steps
from .reckoning import reckon, rest

TIMEOUT_S = 1
MANY = 15
USUAL_MS = {"consumer_timeout": 1_800_000, "channel_tick_interval": 60_000}


def _configure(rabbit: RabbitServer, settings: dict[str, int]) -> None:
    for name, value in settings.items():
        rabbit.control("eval", f"application:set_env(rabbit, {name}, {value}).")


@pytest.fixture
def impatient(rabbit: RabbitServer) -> Iterator[RabbitServer]:
    """RabbitMQ with a short consumer timeout; each channel looks at it once in its tick (a minute, usually)."""
    _configure(rabbit, {"consumer_timeout": TIMEOUT_S * 1000, "channel_tick_interval": 1000})
    yield rabbit
    _configure(rabbit, USUAL_MS)


@pytest.mark.long
def test_who_does_not_acknowledge_loses_the_message(impatient: RabbitServer, rabbit_instance: str) -> None:
    broker = connect(impatient.url, user=impatient.user, password=impatient.password)
    name = f"{rabbit_instance}.queue"
    broker.declare(Topology(exchanges={}, queues=(Queue(name=name),), dead=name))
    subscription = broker.subscribe([name], 1)
    send(broker, name, "1")
    (first,) = gather(subscription, 1)
    (again,) = gather(subscription, 1, within_s=60)
    assert (first.redelivered, again.redelivered) == (False, True)
    broker.close()


@pytest.mark.long
def test_a_step_of_many_timeouts_is_not_killed_and_not_run_twice(centres: Make, impatient: RabbitServer) -> None:
    with centres(steps=steps(lease_s=6)) as centre:
        for name in ("conductor-0", "sweeper-0", "watch-0", "worker-0", "worker-1"):
            centre.add(name)
        long = LongStep(centre)
        began = time.monotonic()
        time.sleep(MANY * TIMEOUT_S)  # the time itself is what is tested
        assert long.undisturbed()
        lasted = time.monotonic() - began
        long.end()
        rest(centre, 1, 60)
        reckon(centre, 1)
        print(
            f"\nconsumer timeout: with RabbitMQ's at {TIMEOUT_S} s, a step of {lasted:.0f} s was begun "
            f"{long.executed()} time, killed 0 times; {long.interrupts()} interrupts"
        )
        assert long.interrupts() == 0
        assert long.executed() == 1
