"""Sources are polled beside each other; only what is new is published."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import pytest

from headframe.consumers.broker.base import BrokerUnavailableError, Outgoing
from headframe.consumers.broker.topology import Names
from headframe.consumers.messages import Arrived, decode
from headframe.daemon.config.model import Config, RunDBConfig
from headframe.daemon.rundb.poller import Poller, SourceLoop
from headframe.daemon.watcher.post import Post
from headframe.statemachine.records import RunInfo, Trouble


class KeptBroker:
    def __init__(self) -> None:
        self.messages: list[Arrived] = []
        self.changed = threading.Condition()
        self.away = 0

    def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        if self.away:
            self.away -= 1
            raise BrokerUnavailableError("away")
        with self.changed:
            self.messages += [decode(message.body, Arrived) for message in messages]
            self.changed.notify_all()
        return [True] * len(messages)

    @property
    def runs(self) -> list[RunInfo]:
        return [run for message in self.messages for run in message.runs]

    @property
    def codes(self) -> list[str]:
        return [trouble.code for message in self.messages for trouble in message.troubles]


class Source:
    def __init__(self, *said: RunInfo | Trouble, wait: threading.Event | None = None) -> None:
        self.said: Iterable[RunInfo | Trouble] = said
        self.wait = wait
        self.error: Exception | None = None

    def poll(self) -> Iterator[RunInfo | Trouble]:
        if self.wait is not None:
            self.wait.wait(120)
        if self.error is not None:
            raise self.error
        yield from self.said


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(number: int, **more: object) -> RunInfo:
    return RunInfo(run=number, source="s", **more)  # type: ignore[arg-type]


@pytest.fixture
def made() -> Callable[[Source], tuple[SourceLoop, KeptBroker, Clock]]:
    def make(source: Source) -> tuple[SourceLoop, KeptBroker, Clock]:
        broker, clock, stop = KeptBroker(), Clock(), threading.Event()
        config = RunDBConfig(use="csv", poll_s=5.0, timeout_s=30.0)
        return SourceLoop("s", config, source, Post(broker, "q", stop), stop, clock), broker, clock  # type: ignore[arg-type]

    return make


Made = Callable[[Source], tuple[SourceLoop, KeptBroker, Clock]]


def test_only_what_is_new_is_published_and_everything_again_after_ten_minutes(made: Made) -> None:
    source = Source(run(1), run(2))
    loop, broker, clock = made(source)
    loop.poll()
    loop.poll()
    assert [one.run for one in broker.runs] == [1, 2]
    source.said = [run(1), run(2, closed=True), run(3)]
    loop.poll()
    assert [one.run for one in broker.runs] == [1, 2, 2, 3]
    clock.now = 601
    loop.poll()
    assert [one.run for one in broker.runs] == [1, 2, 2, 3, 1, 2, 3]


def test_a_run_number_used_twice_is_two_runs(made: Made) -> None:
    loop, broker, _ = made(Source(run(1, identity="a"), run(1, identity="b")))
    loop.poll()
    loop.poll()
    assert [one.identity for one in broker.runs] == ["a", "b"]


def test_what_the_broker_did_not_take_is_sent_when_it_is_back(made: Made) -> None:
    loop, broker, _ = made(Source(run(1)))
    broker.away = 2
    loop.poll()
    assert [one.run for one in broker.runs] == [1]


def test_a_source_that_answers_again_is_said_to_be_mended(made: Made) -> None:
    source = Source(run(1))
    source.error = ConnectionError("no route to host")
    loop, broker, _ = made(source)
    loop.poll()
    source.error = None
    loop.poll()
    loop.poll()
    said = [(trouble.code, trouble.mended) for message in broker.messages for trouble in message.troubles]
    assert said == [("rundb-away", False), ("rundb-away", True)]


def test_a_source_that_fails_is_said_once_and_asked_ever_more_slowly(made: Made) -> None:
    source = Source(run(1))
    source.error = ConnectionError("no route\nto host")
    loop, broker, _ = made(source)
    assert [loop.poll() for _ in range(8)] == [10, 20, 40, 80, 160, 300, 300, 300]
    assert broker.codes == ["rundb-away"]
    source.error = None
    assert loop.poll() == 5
    assert [one.run for one in broker.runs] == [1]


def test_troubles_of_a_source_are_passed_on_once_each(made: Made) -> None:
    loop, broker, _ = made(Source(Trouble(code="run-row-invalid", sentence="run: is missing", subject="a:2"), run(1)))
    loop.poll()
    loop.poll()
    assert broker.codes == ["run-row-invalid"]
    assert broker.messages[-1].troubles[0].sentence == "a:2: run: is missing"


def test_a_run_that_ends_before_it_starts_counts_and_is_a_trouble(made: Made) -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    loop, broker, _ = made(Source(run(5, started=late, ended=early)))
    loop.poll()
    loop.poll()
    assert [one.run for one in broker.runs] == [5]
    assert broker.codes == ["clock-backwards"]


def test_more_runs_than_fit_into_a_message_go_out_in_several(made: Made) -> None:
    loop, broker, _ = made(Source(*(run(number) for number in range(1100))))
    loop.poll()
    assert len(broker.runs) == 1100
    assert max(len(message.runs) for message in broker.messages) == 500


def test_a_source_that_hangs_is_said(made: Made) -> None:
    release = threading.Event()
    loop, broker, clock = made(Source(wait=release))
    thread = threading.Thread(target=loop.poll)
    thread.start()
    while loop._polling_since is None:
        pass
    loop.check()
    clock.now = 31
    loop.check()
    loop.check()
    release.set()
    thread.join(60)
    assert broker.codes == ["rundb-slow"]


def test_a_source_that_hangs_delays_no_other_and_not_the_end() -> None:
    broker, stop, release = KeptBroker(), threading.Event(), threading.Event()
    config = Config(rundb={name: RunDBConfig(use="csv", poll_s=0.01) for name in ("slow", "quick")})
    sources = {"slow": Source(wait=release), "quick": Source(run(1))}
    poller = Poller(config, broker, Names("t"), sources)  # type: ignore[arg-type]
    thread = threading.Thread(target=poller.run, args=(stop,))
    thread.start()
    with broker.changed:
        assert broker.changed.wait_for(lambda: bool(broker.runs), 60)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    release.set()
