"""Parts that connect to `memory:` in the same moment speak to one another."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headframe.consumers.broker import connect
from headframe.consumers.broker.connect import forget_memory
from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub

AT_ONCE = 4


class SlowHub(MemoryHub):
    """A hub that takes its time to be made, as on a machine with other things to do."""

    def __init__(self) -> None:
        time.sleep(0.05)
        super().__init__()


def test_those_who_connect_at_once_get_one_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[forget_memory.__module__], "MemoryHub", SlowHub)
    forget_memory()
    together = threading.Barrier(AT_ONCE)

    def hub(_: int) -> MemoryHub:
        together.wait(10)
        broker = connect("memory:")
        assert isinstance(broker, MemoryBroker)
        return broker.hub

    with ThreadPoolExecutor(AT_ONCE) as threads:
        hubs = list(threads.map(hub, range(AT_ONCE)))
    forget_memory()
    assert all(one is hubs[0] for one in hubs)
