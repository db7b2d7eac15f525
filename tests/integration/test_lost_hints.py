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
MOMENTS_S = LOST_S / 2
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

    def take_up(self, first: int, end: int, parcel: int) -> None:
        """Let a worker begin with the next messages, which have these files."""
        self.lose((end - first) // parcel)
        for sequence in range(first, end):
            self.machine.say(1, sequence, "start")

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
def test_hints_lost_from_a_busy_queue_are_sent_again_once_later_ones_are_taken_up_and_those_that_wait_are_not(
    lane: Callable[..., Lane], parcel: int
) -> None:
    busy = lane(parcel)
    busy.send(*range(1, 21))
    lost = busy.lose(10 // parcel)
    busy.sweep_for(MOMENTS_S)
    busy.send(*range(21, 26))
    busy.sweep()
    busy.send(*range(26, 41))
    assert busy.sweep_for(2 * LOST_S) == 30 // parcel, "they may wait behind others"
    busy.take_up(11, 26, parcel)
    full = (15 + len(lost)) // parcel
    wait_until(lambda: busy.sweep() == full, 20 * LOST_S, "the lost ones are in the queue again")
    assert busy.sweep_for(2 * LOST_S) == full
    waiting = busy.waiting()
    assert set(waiting.values()) == {1}
    assert set(lost) < set(waiting)


def test_a_purged_queue_gets_back_what_it_lost_page_by_page_though_it_fills_anew(lane: Callable[..., Lane]) -> None:
    busy = lane(page=7)
    busy.send(*range(1, FILES + 1))
    busy.lose(FILES)
    assert busy.sweep() == 0
    busy.send(*range(FILES + 1, FILES + 11))
    wait_until(lambda: busy.sweep() == FILES + 10, 20 * LOST_S, "all are in the queue again")
    assert busy.sweep_for(2 * LOST_S) == FILES + 10
    assert set(busy.waiting().values()) == {1}


def test_hints_that_wait_for_long_are_never_sent_again(lane: Callable[..., Lane]) -> None:
    busy = lane()
    busy.send(*range(1, FILES + 1))
    busy.machine.sql("update item set submitted_at = now() - interval '1 day' where phase = 'submitted'")
    assert busy.sweep_for(2.5 * LOST_S) == FILES


def test_what_a_worker_has_just_taken_from_the_end_of_a_long_wait_is_not_sent_again(lane: Callable[..., Lane]) -> None:
    busy = lane()
    busy.send(1, 2)
    busy.machine.sql("update item set submitted_at = now() - interval '1 day' where phase = 'submitted'")
    busy.lose(2)
    assert busy.sweep() == 0
    for sequence in (1, 2):
        busy.machine.say(1, sequence, "start")
    assert busy.sweep_for(2 * LOST_S) == 0


def test_what_workers_have_in_hand_is_not_sent_again_before_their_reports_are_applied(
    lane: Callable[..., Lane],
) -> None:
    busy = lane()
    busy.send(1, 2)
    busy.machine.sql("update item set submitted_at = now() - interval '1 day' where phase = 'submitted'")
    busy.lose(2)
    end = time.monotonic() + 2.5 * LOST_S
    while time.monotonic() < end:
        busy.machine.sql("update watermark set applied_at = now() - interval '1 minute'")
        busy.sweeper.resend()
    assert busy.broker.depth(busy.queue) == 0
    for sequence in (1, 2):
        busy.machine.say(1, sequence, "start")
    assert busy.sweep_for(2 * LOST_S) == 0


def test_a_paused_lane_gets_back_what_it_lost_when_it_goes_on(lane: Callable[..., Lane]) -> None:
    busy = lane()
    busy.send(1, 2)
    busy.lose(2)
    busy.machine.sql("insert into pause (what, name, actor, reason) values ('step', 'look', 'anna', 'because')")
    assert busy.sweep_for(2 * LOST_S) == 0
    busy.machine.sql("delete from pause")
    wait_until(lambda: busy.sweep() == 2, 20 * LOST_S, "they are in the queue again")
