"""A broker that keeps what is published, a clock that stands still, an inbox on a real file system."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from headframe.consumers.broker.base import BrokerUnavailableError, Outgoing
from headframe.consumers.messages import Arrived, decode
from headframe.daemon.config.model import Inbox
from headframe.daemon.watcher.inbox import InboxWatch
from headframe.daemon.watcher.post import Post
from headframe.statemachine.records import ArrivedFile, Trouble

PATTERN = r"run_(?P<run>\d+)_(?P<sequence>\d+)\.h5"


class KeptBroker:
    def __init__(self) -> None:
        self.away = False
        self.messages: list[Arrived] = []
        self.arrived = threading.Condition()

    def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        if self.away:
            raise BrokerUnavailableError("away")
        with self.arrived:
            self.messages += [decode(message.body, Arrived) for message in messages]
            self.arrived.notify_all()
        return [True] * len(messages)

    @property
    def files(self) -> list[ArrivedFile]:
        return [file for message in self.messages for file in message.files]

    @property
    def names(self) -> list[str]:
        return sorted(file.name for file in self.files)

    @property
    def troubles(self) -> list[Trouble]:
        return [trouble for message in self.messages for trouble in message.troubles]

    @property
    def codes(self) -> list[str]:
        return sorted(trouble.code for trouble in self.troubles)

    def wait(self, condition: Callable[[], bool], timeout: float = 30.0) -> None:
        with self.arrived:
            assert self.arrived.wait_for(condition, timeout), (self.files, self.troubles)


class Database:
    """Answers `known` from what has been accepted into it."""

    def __init__(self) -> None:
        self.away = False
        self.rows: set[tuple[str, str, int, int]] = set()
        self.asked = 0

    def known(self, files: Sequence[ArrivedFile]) -> list[bool]:
        if self.away:
            raise ConnectionError("database away")
        self.asked += len(files)
        return [(f.site, f.path, f.size, f.mtime_ns) in self.rows for f in files]

    def accept(self, files: Sequence[ArrivedFile]) -> None:
        self.rows |= {(f.site, f.path, f.size, f.mtime_ns) for f in files}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """One inbox under test, without threads."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.broker = KeptBroker()
        self.database = Database()
        self.clock = Clock()
        self.stop = threading.Event()
        post = Post(self.broker, "t.arrivals", self.stop)  # type: ignore[arg-type]
        inbox = Inbox(**{"site": "raw", "path": "in", "pattern": PATTERN, **settings})
        self.watch = InboxWatch("main", inbox, folder, post, self.database.known, self.clock)

    def write(self, name: str, content: bytes = b"data") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def scan(self, after: float = 0.0) -> None:
        self.clock.now += after
        self.watch.scan()

    def scan_until_stable(self) -> None:
        self.scan()
        self.scan(after=6.0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    folder = tmp_path / "raw" / "in"
    folder.mkdir(parents=True)

    def make(**settings: Any) -> Bench:
        return Bench(folder, **settings)

    yield make
