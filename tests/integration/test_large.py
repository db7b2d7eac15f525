"""Work that ran out of time or memory goes through queues of its own, to workers that take such work."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headframe.consumers.broker import Broker, Names, connect
from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub
from headframe.consumers.messages import Report, Work, decode
from headframe.consumers.steps.api import Site
from headframe.consumers.worker.settings import CommandSpec, WorkerSettings
from headframe.consumers.worker.worker import Worker
from headframe.daemon.conductor.outbox import Outbox
from headframe.daemon.conductor.parked import read
from headframe.daemon.sweeper.sweeper import Sweeper, SweeperSettings
from headframe.statemachine.pipeline import RunType, Step, build

from .broker_help import gather, gather_only
from .rabbit_server import RabbitServer
from .servers import wait_until
from .small_machine import SmallMachine

LOST_S = 1.0
LOOK = Step(name="look", to="seen", makes="nothing", use="command:look", site="work", parcel=5, timeout_s=100.0)
Connect = Callable[[], Broker]


class Shop:
    """Files of one step, a broker, and workers that take large work or leave it."""

    def __init__(self, machine: SmallMachine, names: Names, another: Connect) -> None:
        self.machine, self.names, self.another, self.broker = machine, names, another, another()
        self.broker.declare(names.topology(["look", "settle"]))
        self.outbox = Outbox(machine.engine, self.broker, names, "conductor")
        self.sweeper = Sweeper(machine.engine, self.broker, names, SweeperSettings(lost_hint_s=LOST_S))
        self.ordinary, self.large = names.work("look", "live"), names.work("look", "live", large=True)
        self.reports = self.broker.subscribe([names.reports("live")], 0)
        machine.sql("insert into watermark (lane, applied_at) values ('live', '-infinity')")

    def escalate(self, *sequences: int, code: str = "memory") -> None:
        """Let these files' steps run out of something, once."""
        for sequence in sequences:
            self.machine.say(1, sequence, "interrupt", reason_code=code, reason="it ran out")

    def depths(self) -> tuple[int, int]:
        return self.broker.depth(self.ordinary), self.broker.depth(self.large)

    def waiting(self, queue: str) -> list[Work]:
        """Empty a queue; give what was in it."""
        depth = self.broker.depth(queue)
        taken = self.broker.subscribe([queue], prefetch=100)
        found = gather_only(taken, depth)
        taken.ack(found)
        taken.close()
        return [decode(each.body, Work) for each in found]

    def lose(self, queue: str) -> None:
        assert self.waiting(queue)
        assert self.broker.depth(queue) == 0

    def sweep(self) -> tuple[int, int]:
        """Let all reports be applied, and sweep."""
        self.machine.sql("update watermark set applied_at = now()")
        self.sweeper.resend()
        return self.depths()

    def work(self, number: int, *, large: bool | None, folder: Path) -> list[int]:
        """Let one worker do so many items; give them in the order in which it ended them."""
        stop = threading.Event()
        settings = WorkerSettings(
            steps=("look",),
            sites={name: Site(name=name, root=str(folder / name)) for name in ("source", "work")},
            commands={"look": CommandSpec(argv=("true",))},
            presence_s=60,
            quick_s=120,
            large=large,
        )
        broker = self.another()
        worker = Worker(broker, self.names, settings, stop)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        done: list[int] = []
        try:
            wait_until(lambda: len(self._heard(done)) >= number, 60, f"{number} items are done")
        finally:
            stop.set()
            worker.wake()
            thread.join(60)
            broker.close()
        return done

    def _heard(self, done: list[int]) -> list[int]:
        for delivery in self.reports.take(10, 0.1):
            outcomes = decode(delivery.body, Report).outcomes
            assert not [each.reason for each in outcomes if each.trigger in ("fail", "interrupt")]
            done += [each.item for each in outcomes if each.trigger == "succeed"]
            self.reports.ack([delivery])
        return done


@pytest.fixture(params=["memory", "rabbit"])
def shop(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Shop]:
    made: list[Broker] = []
    hub = MemoryHub()

    def another() -> Broker:
        if request.param == "memory":
            made.append(MemoryBroker(hub))
        else:
            rabbit: RabbitServer = request.getfixturevalue("rabbit")
            made.append(connect(rabbit.url, user=rabbit.user, password=rabbit.password))
        return made[-1]

    names = Names(request.getfixturevalue("rabbit_instance") if request.param == "rabbit" else "large")
    (tmp_path / "work").mkdir()
    machine = SmallMachine(database_url, tmp_path, build("default", [LOOK], {"science": RunType()}))
    yield Shop(machine, names, another)
    for broker in made:
        broker.close()
    machine.engine.dispose()


def test_what_ran_out_of_memory_goes_to_its_own_queue_in_parcels_of_its_own(shop: Shop) -> None:
    shop.machine.arrive(1, *range(1, 7))
    shop.escalate(2, 4)
    shop.outbox.refill()
    assert shop.depths() == (1, 1)
    (ordinary,), (large,) = shop.waiting(shop.ordinary), shop.waiting(shop.large)
    assert (ordinary.large, large.large) == (False, True)
    assert [item.sequence for item in large.parcel] == [2, 4]
    assert [item.sequence for item in ordinary.parcel] == [1, 3, 5, 6]


def test_a_step_without_a_memory_limit_has_none_when_it_asks_for_more_either(shop: Shop) -> None:
    shop.machine.arrive(1, 1, 2)
    shop.escalate(1)
    shop.escalate(2, code="walltime")
    shop.outbox.refill()
    (large,) = shop.waiting(shop.large)
    assert [(item.resources.memory, item.resources.timeout_s) for item in large.parcel] == [(0, 100.0), (0, 200.0)]


def test_only_who_takes_large_work_gets_it_and_who_is_there_for_it_takes_it_first(shop: Shop, tmp_path: Path) -> None:
    shop.machine.arrive(1, *range(1, 5))
    shop.escalate(3, 4)
    shop.outbox.refill()
    items = [shop.machine.item(1, sequence).id for sequence in range(1, 5)]
    assert shop.work(2, large=False, folder=tmp_path) == items[:2]
    assert shop.depths() == (0, 1)
    shop.machine.arrive(1, 5)
    shop.outbox.refill()
    assert shop.work(3, large=True, folder=tmp_path) == [*items[2:], shop.machine.item(1, 5).id]


def test_a_worker_outside_of_pilots_takes_large_work_when_nothing_else_waits(shop: Shop, tmp_path: Path) -> None:
    shop.machine.arrive(1, 1, 2)
    shop.escalate(1)
    shop.outbox.refill()
    found = shop.work(2, large=None, folder=tmp_path)
    assert found == [shop.machine.item(1, sequence).id for sequence in (2, 1)]


def test_a_lost_hint_of_large_work_comes_again_though_ordinary_work_waits(shop: Shop) -> None:
    shop.machine.arrive(1, 1, 2)
    shop.escalate(2)
    shop.outbox.refill()
    shop.lose(shop.large)
    wait_until(lambda: shop.sweep() == (1, 1), 20 * LOST_S, "the large one is in its queue again")
    assert [item.sequence for work in shop.waiting(shop.large) for item in work.parcel] == [2]
    assert [item.sequence for work in shop.waiting(shop.ordinary) for item in work.parcel] == [1]


def test_large_work_that_waits_for_a_worker_is_not_lost_because_the_other_queue_is_empty(shop: Shop) -> None:
    shop.machine.arrive(1, 1, 2)
    shop.escalate(2)
    shop.outbox.refill()
    shop.lose(shop.ordinary)
    shop.machine.sql("update item set submitted_at = now() - interval '1 day' where phase = 'submitted'")
    wait_until(lambda: shop.sweep() == (1, 1), 20 * LOST_S, "the ordinary one is in its queue again")
    assert shop.sweep() == (1, 1)


def test_large_work_that_the_broker_gave_up_is_known_as_such(shop: Shop) -> None:
    shop.machine.arrive(1, 1)
    shop.escalate(1)
    shop.outbox.refill()
    taken = shop.broker.subscribe([shop.large], prefetch=1)
    parked = shop.broker.subscribe([shop.names.dead], prefetch=1)
    taken.reject(gather(taken, 1), "it makes no sense")
    (delivery,) = gather(parked, 1)
    found = read(delivery, shop.names)
    assert (found.letter.queue, [each.item for each in found.items]) == (shop.large, [shop.machine.item(1, 1).id])
