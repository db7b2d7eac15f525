"""Hints that are lost while others wait in the same queue: they go out again soon, and what waits is left alone."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headframe.consumers.broker import Broker, Names, connect
from headframe.consumers.messages import Work, decode
from headframe.daemon.conductor.outbox import Outbox
from headframe.daemon.sweeper.sweeper import Sweeper, SweeperSettings
from headframe.statemachine.pipeline import RunType, Step, build

from .broker_help import gather, gather_only
from .rabbit_server import RabbitServer
from .servers import wait_until
from .small_machine import SmallMachine

LOST_S = 1.0
FILES = 30


class Lane:
    """Files of a step whose queue is on a real broker, and a sweeper that looks after them."""

    def __init__(self, machine: SmallMachine, broker: Broker, names: Names, page: int = 500) -> None:
        self.machine, self.broker, self.queue = machine, broker, names.work("look", "live")
        broker.declare(names.topology(["look", "settle"]))
        self.outbox = Outbox(machine.engine, broker, names, "conductor")
        self.sweeper = Sweeper(machine.engine, broker, names, SweeperSettings(lost_hint_s=LOST_S, page=page))
        machine.sql("insert into watermark (lane, applied_at) values ('live', '-infinity')")

    def send(self, *sequences: int) -> None:
        self.machine.arrive(1, *sequences)
        self.outbox.refill()

    def lose(self, messages: int) -> list[int]:
        """Let a worker take the first messages and die in silence, but for its acknowledgement; give their items."""
        subscription = self.broker.subscribe([self.queue], prefetch=messages)
        taken = gather(subscription, messages)
        waiting = self.broker.depth(self.queue)
        subscription.ack(taken)
        subscription.close()
        wait_until(lambda: self.broker.depth(self.queue) >= waiting, 30, "the others are back in the queue")
        return [item.item for each in taken for item in decode(each.body, Work).parcel]

    def sweep(self) -> int:
        """Let all reports be applied, and sweep; give the number of messages that wait."""
        self.machine.sql("update watermark set applied_at = now()")
        self.sweeper.resend()
        return self.broker.depth(self.queue)

    def sweep_for(self, seconds: float) -> int:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            depth = self.sweep()
        return depth

    def waiting(self) -> Counter[int]:
        """Empty the queue; give how often each item was in it."""
        depth = self.broker.depth(self.queue)
        taken = gather_only(self.broker.subscribe([self.queue], prefetch=1000), depth)
        return Counter(item.item for each in taken for item in decode(each.body, Work).parcel)


@pytest.fixture
def lane(
    database_url: str, tmp_path: Path, rabbit: RabbitServer, rabbit_instance: str
) -> Iterator[Callable[..., Lane]]:
    broker = connect(rabbit.url, user=rabbit.user, password=rabbit.password)
    machines: list[SmallMachine] = []

    def make(parcel: int = 1, page: int = 500) -> Lane:
        look = Step(name="look", to="seen", makes="nothing", parcel=parcel)
        machines.append(SmallMachine(database_url, tmp_path, build("default", [look], {"science": RunType()})))
        return Lane(machines[-1], broker, Names(rabbit_instance), page)

    yield make
    broker.close()
    for machine in machines:
        machine.engine.dispose()


@pytest.mark.parametrize("parcel", [1, 5])
def test_hints_lost_from_a_busy_queue_are_sent_again_soon_and_those_that_wait_are_not(
    lane: Callable[..., Lane], parcel: int
) -> None:
    busy = lane(parcel)
    busy.send(*range(1, FILES + 1))
    full = busy.broker.depth(busy.queue)
    assert full == FILES // parcel
    busy.lose(2)
    began = time.monotonic()
    wait_until(lambda: busy.sweep() == full, 10 * LOST_S, "the lost ones are in the queue again")
    assert time.monotonic() - began >= LOST_S
    assert busy.sweep_for(2.5 * LOST_S) == full
    assert set(busy.waiting().values()) == {1}


def test_a_purged_queue_that_fills_anew_gets_back_what_it_lost_page_by_page(lane: Callable[..., Lane]) -> None:
    busy = lane(page=7)
    busy.send(*range(1, FILES + 1))
    busy.lose(FILES)
    busy.send(*range(FILES + 1, FILES + 11))
    assert busy.sweep() == 10
    began = time.monotonic()
    wait_until(lambda: busy.sweep() == FILES + 10, 10 * LOST_S, "all are in the queue again")
    assert time.monotonic() - began < 5 * LOST_S, "a page need not wait for the one before it"
    assert busy.sweep_for(2 * LOST_S) == FILES + 10
    assert set(busy.waiting().values()) == {1}


def test_hints_that_wait_for_long_are_never_sent_again(lane: Callable[..., Lane]) -> None:
    busy = lane()
    busy.send(*range(1, FILES + 1))
    busy.machine.sql("update item set submitted_at = now() - interval '1 day' where phase = 'submitted'")
    assert busy.sweep_for(2.5 * LOST_S) == FILES


def test_what_workers_have_in_hand_is_not_sent_again_before_their_reports_are_applied(
    lane: Callable[..., Lane],
) -> None:
    busy = lane()
    busy.send(*range(1, FILES + 1))
    busy.machine.sql("update item set submitted_at = now() - interval '1 day' where phase = 'submitted'")
    busy.lose(2)
    end = time.monotonic() + 2.5 * LOST_S
    while time.monotonic() < end:
        busy.machine.sql("update watermark set applied_at = now() - interval '1 minute'")
        busy.sweeper.resend()
    assert busy.broker.depth(busy.queue) == FILES - 2
    for sequence in (1, 2):
        busy.machine.say(1, sequence, "start")
    assert busy.sweep_for(2 * LOST_S) == FILES - 2


def test_hints_of_parcels_that_were_not_full_are_given_longer(lane: Callable[..., Lane]) -> None:
    busy = lane(parcel=5)
    for sequence in range(1, 7):
        busy.send(sequence)
    busy.lose(1)
    assert busy.sweep_for(2 * LOST_S) == 5
    busy.sweeper.hints.lost_hint_s = LOST_S / 20
    wait_until(lambda: busy.sweep() == 6, 10 * LOST_S, "it is in the queue again")
    assert set(busy.waiting().values()) == {1}


def test_a_paused_lane_is_looked_at_anew_when_it_goes_on(lane: Callable[..., Lane]) -> None:
    busy = lane()
    busy.send(*range(1, FILES + 1))
    busy.lose(2)
    busy.sweep()
    busy.machine.sql("insert into pause (what, name, actor, reason) values ('step', 'look', 'anna', 'because')")
    assert busy.sweep_for(2 * LOST_S) == FILES - 2
    busy.machine.sql("delete from pause")
    assert busy.sweep() == FILES - 2, "its time begins anew"
    wait_until(lambda: busy.sweep() == FILES, 10 * LOST_S, "they are in the queue again")
