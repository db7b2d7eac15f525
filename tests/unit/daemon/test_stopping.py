"""Signals: a process that is told to leave does, whatever it is just doing."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from headframe.daemon.stopping import stopping


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave the handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops(number: signal.Signals) -> None:
    stop = stopping()
    os.kill(os.getpid(), number)
    assert stop.wait(30)


@pytest.mark.timeout(60)
def test_a_signal_in_the_middle_of_a_wait_does_not_wait_for_that_wait() -> None:
    stop = stopping()
    lock: threading.Condition = stop._cond  # type: ignore[attr-defined]
    with lock:  # where `wait` is before it sleeps, and after it wakes
        os.kill(os.getpid(), signal.SIGTERM)
        assert not stop.is_set()
    assert stop.wait(30)
    os.kill(os.getpid(), signal.SIGTERM)
