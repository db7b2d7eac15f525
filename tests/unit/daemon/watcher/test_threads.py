"""The watcher's threads together: a burst, an inbox that comes late, two inboxes, the in-memory broker."""

import threading
import time
from pathlib import Path
from typing import Any

from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub
from headframe.consumers.broker.topology import Names
from headframe.consumers.messages import Arrived, decode
from headframe.daemon.config.load import build
from headframe.daemon.watcher import Watcher

from .conftest import PATTERN, Database

NAMES = Names("t")


class Running:
    """A watcher with a consumer that accepts what arrives, as the conductor does."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        inbox = {"site": "raw", "pattern": PATTERN, "stable_s": 0.2, "scan_s": 0.3, **settings}
        inboxes = {name: {**inbox, "path": name} for name in ("one", "two")}
        table = {"database": {"embedded": "pg"}, "site": {"raw": {"path": "."}}, "inbox": inboxes}
        self.folder, self.database, self.stop = folder, Database(), threading.Event()
        self.broker = MemoryBroker(MemoryHub())
        self.broker.declare(NAMES.topology([]))
        self.names: list[str] = []
        self.codes: list[str] = []
        self.changed = threading.Condition()
        watcher = Watcher(build(table, {}, folder), self.broker, NAMES, self.database.known)
        self.threads = [threading.Thread(target=watcher.run, args=(self.stop,)), threading.Thread(target=self._consume)]
        for thread in self.threads:
            thread.start()

    def _consume(self) -> None:
        subscription = self.broker.subscribe([NAMES.arrivals], 100)
        while not self.stop.is_set():
            taken = subscription.take(100, 0.1)
            for message in (decode(delivery.body, Arrived) for delivery in taken):
                with self.changed:
                    self.database.accept(message.files)
                    self.names += [file.path for file in message.files]
                    self.codes += [trouble.code for trouble in message.troubles]
                    self.changed.notify_all()
            subscription.ack(taken)

    def wait(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(set(self.names)) >= count, 90), len(set(self.names))

    def close(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()
        self.broker.close()


def test_a_burst_of_files_in_two_inboxes_arrives_once_each(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    running = Running(tmp_path, scan_s=1.0)
    for number in range(1500):
        for name in ("one", "two"):
            (tmp_path / name / f"run_1_{number}.h5").write_bytes(b"data")
    running.wait(3000)
    running.close()
    assert len(running.names) == 3000
    assert running.codes == []


def test_an_inbox_that_comes_late_goes_and_comes_back_is_watched(tmp_path: Path) -> None:
    running = Running(tmp_path)
    for turn in range(2):
        with running.changed:
            assert running.changed.wait_for(lambda: "unreadable" in running.codes, 60)
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / f"run_1_{turn}.h5").write_bytes(b"data")
        running.wait(turn + 1)
        (tmp_path / "one" / f"run_1_{turn}.h5").unlink()
        (tmp_path / "one").rmdir()
    running.close()


def test_without_inotify_the_scan_finds_everything(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    running = Running(tmp_path, watch=False)
    (tmp_path / "one" / "run_1_1.h5").write_bytes(b"data")
    running.wait(1)
    running.close()


def test_a_database_that_is_away_for_a_while_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run_1_0.h5").write_bytes(b"data")
    running = Running(tmp_path)
    running.database.away = True
    time.sleep(0.5)
    (tmp_path / "one" / "run_1_1.h5").write_bytes(b"data")
    running.database.away = False
    running.wait(2)
    running.close()
