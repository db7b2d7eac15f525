"""Two sweepers, or two conductors, that find the same work to send: it is sent once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from headframe.consumers.broker import Names, Outgoing
from headframe.consumers.messages import Work, decode
from headframe.daemon.conductor.outbox import Outbox
from headframe.daemon.sweeper.sweeper import Sweeper, SweeperSettings
from headframe.statemachine.store import dispatch
from headframe.statemachine.store.core import Ready

from .small_machine import SmallMachine

FILES = 20


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    made = SmallMachine(database_url, tmp_path)
    yield made
    made.engine.dispose()


class SlowBroker:
    """Takes its time to confirm, so that the other sweeper comes to the same hints meanwhile."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.asked, self.answer = threading.Event(), threading.Event()

    def depth(self, queue: str) -> int:
        return 0

    def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        self.sent += [item.item for message in messages for item in decode(message.body, Work).parcel]
        self.asked.set()
        assert self.answer.wait(60)
        return [True] * len(messages)


def arrived(machine: SmallMachine) -> list[Ready]:
    machine.arrive(1, *range(1, FILES + 1))
    with machine.engine.begin() as conn:
        return [Ready(item=row.id, epoch=row.epoch, step="salt", lane="live") for row in conn.execute(text(ITEMS))]


def lose_hints(machine: SmallMachine) -> list[int]:
    ready = arrived(machine)
    with machine.engine.begin() as conn:
        dispatch.submit(conn, ready, "conductor")
        conn.execute(text("update item set submitted_at = now() - interval '1 hour' where phase = 'submitted'"))
        applied = "insert into watermark (lane, reign, applied_at) values ('live', 'anna.1', now() + interval '1 hour')"
        conn.execute(text(applied))
    return [entry.item for entry in ready]


def at_once(broker: SlowBroker, first: Callable[[], object], second: Callable[[], object]) -> None:
    """Let the second begin and end while the broker has not answered the first."""
    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert broker.asked.wait(60)
    threads[1].start()
    threads[1].join(5)  # it has nothing to wait for
    broker.answer.set()
    for thread in threads:
        thread.join()


def test_two_sweepers_send_a_lost_hint_once(machine: SmallMachine) -> None:
    lost, broker = lose_hints(machine), SlowBroker()
    one, other = (
        Sweeper(machine.engine, broker, Names("headframe"), SweeperSettings())  # type: ignore[arg-type]
        for _ in range(2)
    )
    at_once(broker, one.resend, other.resend)
    assert sorted(broker.sent) == lost


@pytest.mark.parametrize("refiller_is_quicker", [True, False])
def test_a_conductor_and_anothers_refiller_send_new_work_once(machine: SmallMachine, refiller_is_quicker: bool) -> None:
    ready, broker = arrived(machine), SlowBroker()
    one, other = (
        Outbox(machine.engine, broker, Names("headframe"), owner)  # type: ignore[arg-type]
        for owner in ("anna", "bert")
    )
    acts = (other.refill, lambda: one.send_new(ready))
    at_once(broker, *(acts if refiller_is_quicker else reversed(acts)))
    one.refill()
    assert sorted(broker.sent) == [entry.item for entry in ready]
    assert not one.backlogged


ITEMS = "select id, epoch from item where scope = 'file' order by id"
