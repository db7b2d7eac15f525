"""The worker by itself: a real child process, an in-memory broker, and the test in the conductor's place."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headframe.consumers.broker import BrokerUnavailableError, Delivery, Names, Outgoing, Subscription
from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub
from headframe.consumers.messages import Drop, Halt, Report, Work, WorkItem, decode, encode
from headframe.consumers.steps.api import Site
from headframe.consumers.worker.child import Request
from headframe.consumers.worker.settings import CommandSpec, WorkerSettings
from headframe.consumers.worker.worker import Worker
from headframe.statemachine.records import Location, Outcome, Resources, Usage

PROGRAMS = {
    "quick": "true",
    "slow": "while [ ! -e '{root}/go-on' ]; do sleep 0.05; done",
    "endless": "sleep 600",
    "suicidal": "kill -9 $PPID",
    "refusing": "echo told you >&2; exit 3",
    "away": "exit 4",
    "skipping": "exit 5",
    "third": "sleep 0.3",
    "nul-reason": """printf '{"error":{"code":"x","reason":"bad \\\\u0000 byte"}}' > result.json; exit 3""",
    "nul-facts": """printf '{"catalog":{"title":"\\\\u0000"}}' > result.json""",
    "twice": """: > a; printf '{"products":[{"name":"a"},{"name":"./a"}]}' > result.json""",
    "huge": """printf '{"events":{"first":1,"last":18446744073709551615,"count":2}}' > result.json""",
    "nul-name": """printf '{"products":[{"name":"a\\\\u0000"}]}' > result.json""",
    "whole-path": """: > a; printf '{"products":[{"name":"%s/a"}]}' "$PWD" > result.json""",
}


class Bench:
    """One worker at work, and the queues around it."""

    def __init__(self, root: Path, quick_s: float = 0.5, heartbeat_s: float = 0.2) -> None:
        self.root, self.quick_s, self.heartbeat_s = root, quick_s, heartbeat_s
        self.hub = MemoryHub()
        self.names = Names("bench")
        self.broker = MemoryBroker(self.hub)
        self.broker.declare(self.names.topology(("step", "settle")))
        self.reports = self.broker.subscribe([self.names.reports("live")], 0)
        self.stop = threading.Event()
        self.worker = Worker(MemoryBroker(self.hub), self.names, self._settings(), self.stop)
        self.worker.broker.declare(self.names.topology(("step", "settle")))
        self.thread = threading.Thread(target=self.worker.run, daemon=True)

    def _settings(self) -> WorkerSettings:
        texts = {name: text.replace("{root}", str(self.root)) for name, text in PROGRAMS.items()}
        commands = {
            name: CommandSpec(argv=("sh", "-c", text), exit_codes={4: "interrupt", 5: "skip"})
            for name, text in texts.items()
        }
        return WorkerSettings(
            steps=("step",),
            sites={"work": Site(name="work", root=str(self.root))},
            commands=commands,
            heartbeat_s=self.heartbeat_s,
            presence_s=60,
            grace_s=0.3,
            quick_s=self.quick_s,
        )

    def send(self, use: str, *items: int, epoch: int = 1, timeout_s: float = 30, site: str = "work") -> Work:
        parcel = tuple(
            WorkItem(
                item=item,
                epoch=epoch,
                run=1,
                kind="science",
                name=f"file{item}",
                sequence=item,
                inputs=(),
                folder=Location(site=site, path=f"attempts/c/{item}-step"),
                resources=Resources(timeout_s=timeout_s),
            )
            for item in items
        )
        work = Work(
            step="step", lane="live", use=use, scope="file", makes="nothing", campaign="c", lease_s=5, parcel=parcel
        )
        self.broker.publish([Outgoing(key=self.queue, body=encode(work))])
        return work

    @property
    def queue(self) -> str:
        return self.names.work("step", "live")

    def hear(self, wanted: Callable[[Report], bool], seconds: float = 60) -> list[Report]:
        """Take reports until one is wanted; give all taken."""
        heard: list[Report] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for delivery in self.reports.take(10, 0.5):
                heard.append(decode(delivery.body, Report))
                self.reports.ack([delivery])
                if wanted(heard[-1]):
                    return heard
        raise AssertionError(f"not heard in {seconds} s; heard {heard}")

    def outcome(self, trigger: str, item: int = 1) -> Outcome:
        heard = self.hear(lambda r: any(o.trigger == trigger and o.item == item for o in r.outcomes))
        return next(o for o in heard[-1].outcomes if o.trigger == trigger and o.item == item)

    def let_go_on(self) -> None:
        """Let the step that is called slow come to its end."""
        (self.root / "go-on").touch()

    def unsettled(self) -> int:
        """Count what is neither waiting nor acknowledged: closing the worker would give it back."""
        return len(self.worker.work._held)  # type: ignore[attr-defined]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from started(Bench(tmp_path))


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Bench]:
    """Give a bench where every step is a quick one, however slow the machine is."""
    yield from started(Bench(tmp_path, quick_s=120))


def started(made: Bench) -> Iterator[Bench]:
    made.thread.start()
    made.send("command:quick", 0)  # the child process has started when this is answered
    made.outcome("succeed", 0)
    yield made
    made.stop.set()
    made.thread.join(timeout=60)
    assert not made.thread.is_alive()


def test_a_quick_step_is_reported_once_and_then_acknowledged(patient: Bench) -> None:
    patient.send("command:quick", 1)
    heard = patient.hear(lambda report: bool(report.outcomes))
    assert [o.trigger for r in heard for o in r.outcomes] == ["succeed"]
    assert heard[-1].outcomes[0].usage is not None


def test_a_long_step_says_started_is_acknowledged_beats_and_succeeds(bench: Bench) -> None:
    bench.send("command:slow", 1)
    heard = bench.hear(lambda report: list(report.beats) == [(1, 1)])
    assert bench.unsettled() == 0
    bench.let_go_on()
    heard += bench.hear(lambda report: any(o.trigger == "succeed" for o in report.outcomes))
    assert [o.trigger for r in heard for o in r.outcomes] == ["start", "succeed"]


def test_a_worker_on_a_long_step_takes_nothing_else(bench: Bench) -> None:
    bench.send("command:slow", 1)
    bench.outcome("start")
    bench.send("command:quick", 2)
    bench.hear(lambda report: bool(report.beats))  # it has looked for something to do since
    assert bench.broker.depth(bench.queue) == 1
    bench.let_go_on()
    bench.outcome("succeed", 1)
    bench.outcome("succeed", 2)


def test_what_is_dropped_is_killed_and_leaves_nothing_behind(bench: Bench) -> None:
    bench.send("command:endless", 1)
    bench.outcome("start")
    drop = Drop(items=((1, 1),), reason="held by an operator")
    bench.broker.publish([Outgoing(key=bench.names.control(bench.worker.owner), body=encode(drop))])
    bench.send("command:quick", 2)
    assert bench.outcome("succeed", 2).item == 2
    assert not list(bench.root.glob("attempts/c/1-step/e1-*"))


def test_a_worker_told_to_leave_hands_back_what_it_cannot_finish(bench: Bench) -> None:
    bench.send("command:endless", 1, 2)
    bench.outcome("start", 2)
    bench.stop.set()
    bench.worker.wake()
    first = bench.outcome("interrupt", 1)
    assert (first.reason_code, first.trigger) == ("drain", "interrupt")
    bench.thread.join(timeout=60)
    assert bench.broker.depth(bench.queue) == 0


def test_what_was_not_begun_goes_back_to_its_queue_when_the_worker_leaves(
    patient: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = patient.worker.executor.begin

    def begin_and_leave(request: Request) -> None:
        patient.stop.set()
        begin(request)

    monkeypatch.setattr(patient.worker.executor, "begin", begin_and_leave)
    patient.send("command:quick", 1, 2, 3)
    heard = patient.hear(lambda report: bool(report.outcomes))
    patient.thread.join(timeout=60)
    assert [o.item for r in heard for o in r.outcomes] == [1]
    assert patient.broker.depth(patient.queue) == 1


def test_a_step_that_takes_too_long_is_killed_and_asks_for_more_time(bench: Bench) -> None:
    bench.send("command:endless", 1, timeout_s=0.6)
    ended = bench.outcome("interrupt")
    assert ended.reason_code == "walltime"
    assert "0.6 s" in ended.reason


def test_a_step_whose_process_dies_fails_with_its_signal_and_the_worker_lives(bench: Bench) -> None:
    bench.send("command:suicidal", 1)
    ended = bench.outcome("fail")
    assert ended.reason_code == "step-died"
    assert "SIGKILL" in ended.reason
    bench.send("command:quick", 2)
    bench.outcome("succeed", 2)


@pytest.mark.parametrize(
    ("program", "trigger", "code"),
    [("refusing", "fail", "exit-3"), ("away", "interrupt", "exit-4"), ("skipping", "succeed", "exit-5")],
)
def test_exit_codes_mean_what_the_configuration_says(bench: Bench, program: str, trigger: str, code: str) -> None:
    bench.send(f"command:{program}", 1)
    ended = bench.outcome(trigger)
    assert ended.reason_code == code
    assert ended.skipped == (program == "skipping")


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("nul-facts", "catalog.title has a NUL character"),
        ("twice", "2 products or copies have the name a"),
        ("huge", "events.last is 18446744073709551615"),
        ("nul-name", "named a product with a NUL"),
    ],
)
def test_a_result_that_nobody_could_store_fails_at_once_and_names_the_field(
    bench: Bench, program: str, what: str
) -> None:
    bench.send(f"command:{program}", 1)
    ended = bench.outcome("fail")
    assert (ended.reason_code, ended.permanent) == ("bad-result", True)
    assert what in ended.reason


def test_a_programs_reason_is_reported_on_one_line(bench: Bench) -> None:
    bench.send("command:nul-reason", 1)
    assert bench.outcome("fail").reason == "bad   byte"


def test_a_product_may_be_named_with_its_whole_path(bench: Bench) -> None:
    bench.send("command:whole-path", 1)
    ended = bench.outcome("succeed")
    assert ended.folder is not None
    assert [(made.name, made.location.path) for made in ended.products] == [("a", f"{ended.folder.path}/a")]


def test_work_for_a_site_that_this_host_lacks_is_handed_back_and_the_worker_lives(bench: Bench) -> None:
    bench.send("command:quick", 1, site="nowhere")
    assert bench.outcome("interrupt").reason_code == "unknown-site"
    bench.send("command:quick", 2)
    bench.outcome("succeed", 2)


def test_a_long_parcel_of_short_items_beats_and_hears_what_is_dropped(bench: Bench) -> None:
    items = range(1, 21)
    bench.send("command:third", *items)
    heard = bench.hear(lambda report: bool(report.beats))
    drop = Drop(items=tuple((item, 1) for item in items), reason="held")
    bench.broker.publish([Outgoing(key=bench.names.control(bench.worker.owner), body=encode(drop))])
    bench.send("command:quick", 99)
    heard += bench.hear(lambda report: any(o.item == 99 for o in report.outcomes))
    ended = [o.item for r in heard for o in r.outcomes if o.trigger == "succeed"]
    assert 20 not in ended


def test_a_lease_shorter_than_the_workers_heartbeat_is_kept(tmp_path: Path) -> None:
    for bench in started(Bench(tmp_path, heartbeat_s=3600)):
        bench.send("command:slow", 1)
        bench.hear(lambda report: bool(report.beats))
        bench.let_go_on()
        bench.outcome("succeed")


def test_what_is_dropped_after_its_end_is_forgotten(bench: Bench) -> None:
    drop = Drop(items=tuple((item, 1) for item in range(100, 5100)), reason="late")
    bench.broker.publish([Outgoing(key=bench.names.control(bench.worker.owner), body=encode(drop))])
    bench.send("command:slow", 1)
    bench.outcome("start")
    bench.hear(lambda report: bool(report.beats))  # it has looked for what is to be dropped since
    assert bench.worker.broker.depth(bench.names.control(bench.worker.owner)) == 0
    assert not bench.worker.dropped
    bench.let_go_on()
    bench.outcome("succeed")


def test_what_a_step_prints_is_its_attempts_log(bench: Bench) -> None:
    bench.send("command:refusing", 1)
    ended = bench.outcome("fail")
    assert ended.log is not None
    assert "told you" in (bench.root / ended.log.path).read_text()


def test_a_parcel_that_comes_back_is_split_so_that_the_bad_one_stands_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quick_s=120)
    bench.send("command:quick", 1, 2, 3)
    taker = bench.broker.subscribe([bench.queue], 1)
    taker.give_back(taker.take(1, 60))
    taker.close()
    bench.thread.start()
    heard = bench.hear(lambda report: any(o.item == 3 for o in report.outcomes))
    assert [len(r.outcomes) for r in heard if r.outcomes] == [1, 1, 1]
    bench.stop.set()
    bench.thread.join(timeout=60)


def test_an_epochs_second_message_is_answered_without_working_again(bench: Bench) -> None:
    bench.send("command:quick", 1)
    first = bench.outcome("succeed")
    bench.send("command:endless", 1)
    assert bench.outcome("succeed") == first


def test_rubbish_becomes_a_dead_letter_with_its_reason_and_work_goes_on(bench: Bench) -> None:
    bench.broker.publish([Outgoing(key=bench.queue, body=b"\xff{not json")])
    bench.send("command:quick", 1)
    bench.outcome("succeed")
    dead = bench.broker.subscribe([bench.names.dead], 1).take(1, 5.0)
    assert "not a message" in dead[0].headers["headframe-reason"]


def test_rubbish_met_while_the_broker_blinks_comes_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def blinking(reject: Callable[..., None]) -> Callable[..., None]:
        failures = iter([True, True])

        def rejecting(*said: Any) -> None:
            if next(failures, False):
                raise BrokerUnavailableError("away")
            reject(*said)

        return rejecting

    monkeypatch.setattr(bench.worker.work, "reject", blinking(bench.worker.work.reject))
    monkeypatch.setattr(bench.worker.control, "reject", blinking(bench.worker.control.reject))
    for queue in (bench.queue, bench.names.control(bench.worker.owner)):
        bench.broker.publish([Outgoing(key=queue, body=b"rubbish")])
    dead = bench.broker.subscribe([bench.names.dead], 2)
    end, found = time.monotonic() + 60, 0
    while found < 2 and time.monotonic() < end:
        found += len(dead.take(2, 0.5))
    assert found == 2
    bench.send("command:quick", 1)
    bench.outcome("succeed")


def test_a_command_that_this_host_does_not_have_fails_at_once_and_says_so(bench: Bench) -> None:
    bench.send("command:unheard-of", 1)
    ended = bench.outcome("fail")
    assert (ended.reason_code, ended.permanent) == ("no-such-command", True)
    assert "[command.unheard-of]" in ended.reason


def test_a_result_outlasts_a_broker_that_blinks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    publish, failures = bench.worker.broker.publish, iter([True, True])

    def blinking(messages: Any) -> list[bool]:
        if next(failures, False):
            raise BrokerUnavailableError("away")
        return publish(messages)

    monkeypatch.setattr(bench.worker.broker, "publish", blinking)
    bench.send("command:quick", 1)
    assert bench.outcome("succeed").item == 1


def test_what_is_halted_stays_in_its_queue_until_it_may_go_on(bench: Bench) -> None:
    control = bench.names.control(bench.worker.owner)
    for what in (("step:step",), ("lane:live", "lane:bulk"), ("worker",)):
        bench.broker.publish([Outgoing(key=control, body=encode(Halt(what=what)))])
        bench.hear(lambda report, what=what: report.halted == what)  # type: ignore[misc]
        bench.send("command:quick", 1, epoch=len(what) * 10 + len(what[0]))
        time.sleep(1)
        assert bench.broker.depth(bench.queue) == 1
        bench.broker.publish([Outgoing(key=control, body=encode(Halt(what=())))])
        assert bench.outcome("succeed").item == 1


def test_a_step_is_killed_in_time_though_the_broker_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    publish, kill = bench.worker.broker.publish, bench.worker.executor.kill
    away, killed = threading.Event(), threading.Event()

    def failing(messages: Any) -> list[bool]:
        if away.is_set():
            raise BrokerUnavailableError("away")
        return publish(messages)

    def killing() -> Usage:
        killed.set()
        return kill()

    bench.send("command:endless", 1, timeout_s=2)
    away.set()
    monkeypatch.setattr(bench.worker.broker, "publish", failing)
    monkeypatch.setattr(bench.worker.executor, "kill", killing)
    assert killed.wait(20)
    away.clear()
    assert bench.outcome("interrupt").reason_code == "walltime"


@pytest.mark.parametrize("lanes", [("live",), ("bulk",), ("live", "bulk")])
def test_a_worker_takes_its_lanes_only_and_says_which(tmp_path: Path, lanes: tuple[str, ...]) -> None:
    made = Bench(tmp_path)
    made.worker.settings = msgspec.structs.replace(made.worker.settings, lanes=lanes)
    work = made.send("command:quick", 1)
    second = msgspec.structs.replace(work.parcel[0], item=2)
    bulk = msgspec.structs.replace(work, lane="bulk", parcel=(second,))
    made.broker.publish([Outgoing(key=made.names.work("step", "bulk"), body=encode(bulk))])
    reports = made.broker.subscribe([made.names.reports(lane) for lane in lanes], 0)
    made.reports.close()
    made.thread.start()
    said = [decode(each.body, Report) for each in gathered(reports, len(lanes))]
    assert [report.lane for report in said] == list(lanes), "live work comes first"
    assert {report.lanes for report in said} == {lanes}
    made.stop.set()
    made.thread.join(60)
    for lane in ("live", "bulk"):
        assert made.broker.depth(made.names.work("step", lane)) == (lane not in lanes)


def gathered(reports: Subscription, number: int) -> list[Delivery]:
    """Take so many reports that have a result."""
    found: list[Delivery] = []
    end = time.monotonic() + 60
    while len(found) < number and time.monotonic() < end:
        taken = [(each, decode(each.body, Report)) for each in reports.take(10, 0.5)]
        found += [each for each, said in taken if any(outcome.trigger == "succeed" for outcome in said.outcomes)]
    return found


def test_a_report_says_who_sends_it(bench: Bench) -> None:
    bench.send("command:quick", 1)
    heard = bench.hear(lambda report: bool(report.outcomes))
    assert heard[-1].reporter == msgspec.structs.replace(bench.worker.reporter)
    assert heard[-1].reporter.host


def test_a_worker_that_is_told_to_stop_before_it_waits_for_work_stops(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.stop.set()
    made.worker.wake()
    made.thread.start()
    made.thread.join(20)
    assert not made.thread.is_alive()
