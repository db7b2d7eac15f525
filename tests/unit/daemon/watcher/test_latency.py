"""From a file closed to a confirmed message, through real inotify."""

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headframe.consumers.broker.topology import Names
from headframe.daemon.config.load import build
from headframe.daemon.watcher import Watcher

from ....patience import least
from .conftest import PATTERN, Database, KeptBroker


class Running:
    def __init__(self, tmp_path: Path, **settings: object) -> None:
        self.inbox = tmp_path / "raw" / "in"
        self.inbox.mkdir(parents=True, exist_ok=True)
        inbox = {"site": "raw", "path": "in", "pattern": PATTERN, "stable_s": 0.2, "scan_s": 60, **settings}
        table = {
            "database": {"embedded": "pg"},
            "site": {"raw": {"path": "raw"}},
            "inbox": {"main": inbox},
        }
        config = build(table, {}, tmp_path)
        self.broker, self.database = KeptBroker(), Database()
        self.stop = threading.Event()
        watcher = Watcher(config, self.broker, Names("t"), self.database.known)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=watcher.run, args=(self.stop,))
        self.thread.start()
        self.wait_until_watching()

    def wait_until_watching(self) -> None:
        """An ignored name shows nothing, so a first file has to; what is told of it is then forgotten."""
        first, size = self.inbox / "run_0_0.h5", 0
        deadline = time.monotonic() + 30
        while not self.broker.files and time.monotonic() < deadline:
            size += 1
            first.write_bytes(b"x" * size)
            time.sleep(0.02)
        self.broker.wait(lambda: any(file.size == size for file in self.broker.files))
        self.broker.messages.clear()

    def close(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    yield one
    one.close()


def test_a_closed_file_is_published_within_milliseconds(running: Running) -> None:
    def write(name: str) -> float:
        with (running.inbox / name).open("wb") as file:
            file.write(b"data")
        return time.perf_counter()

    assert median_ms(running, write) < 25


def test_a_file_renamed_into_place_is_published_within_milliseconds(running: Running) -> None:
    def rename(name: str) -> float:
        draft = running.inbox / f"{name}.tmp"
        draft.write_bytes(b"data")
        moved = time.perf_counter()
        draft.rename(draft.with_suffix(""))
        return moved

    assert median_ms(running, rename) < 25


def median_ms(running: Running, bring: Callable[[str], float]) -> float:
    """Give the median from a file there to its message, of the best ten of many, because others use the machine too."""
    names = (f"run_1_{number}.h5" for number in itertools.count())

    def ten() -> float:
        took = []
        for name in itertools.islice(names, 10):
            began = bring(name)
            running.broker.wait(lambda: name in running.broker.names)  # noqa: B023
            took.append(1e3 * (time.perf_counter() - began))
        print(f"median {statistics.median(took):.2f} ms, worst {max(took):.2f} ms")
        return statistics.median(took)

    return least(ten, enough=25, tries=20)


def test_a_file_is_sent_once_though_it_is_closed_twice(running: Running) -> None:
    file = running.inbox / "run_3_1.h5"
    file.write_bytes(b"data")
    running.broker.wait(lambda: running.broker.names == ["run_3_1.h5"])
    file.open("ab").close()
    (running.inbox / "run_3_2.h5").write_bytes(b"data")
    running.broker.wait(lambda: "run_3_2.h5" in running.broker.names)
    assert running.broker.names == ["run_3_1.h5", "run_3_2.h5"]


def test_files_in_a_folder_made_a_moment_ago_arrive_without_the_next_scan(tmp_path: Path) -> None:
    running = Running(tmp_path, pattern=rf"(.*/)?{PATTERN}")
    try:
        (running.inbox / "new" / "deep").mkdir(parents=True)
        for number in range(20):
            (running.inbox / "new" / "deep" / f"run_4_{number}.h5").write_bytes(b"data")
        running.broker.wait(lambda: len(set(running.broker.names)) == 20)
    finally:
        running.close()


def test_events_that_come_while_the_broker_is_away_are_sent_when_it_is_back(running: Running) -> None:
    running.broker.away = True
    (running.inbox / "run_5_1.h5").write_bytes(b"data")
    (running.inbox / "run_5_2.h5").write_bytes(b"data")
    running.stop.wait(0.3)
    running.broker.away = False
    running.broker.wait(lambda: running.broker.names == ["run_5_1.h5", "run_5_2.h5"])


def test_the_wall_clock_of_the_close_travels_with_the_file(running: Running) -> None:
    before = time.time_ns()
    (running.inbox / "run_6_1.h5").write_bytes(b"data")
    running.broker.wait(lambda: bool(running.broker.files))
    closed = running.broker.files[0].closed_ns
    assert closed is not None
    assert before - 50_000_000 <= closed <= time.time_ns()
