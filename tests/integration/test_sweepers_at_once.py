"""Two sweepers at the same repair: it is made once."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from headframe.consumers.broker import Names, Outgoing
from headframe.consumers.messages import Work, decode
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


def lose_hints(machine: SmallMachine) -> list[int]:
    machine.arrive(1, *range(1, FILES + 1))
    with machine.engine.begin() as conn:
        ready = [Ready(item=row.id, epoch=row.epoch, step="salt", lane="live") for row in conn.execute(text(ITEMS))]
        dispatch.submit(conn, ready, "conductor")
        conn.execute(text("update item set submitted_at = now() - interval '1 hour' where phase = 'submitted'"))
        conn.execute(text("insert into watermark (lane, reign, applied_at) values ('live', 'anna.1', now())"))
    return [entry.item for entry in ready]


def test_two_sweepers_send_a_lost_hint_once(machine: SmallMachine) -> None:
    lost, broker = lose_hints(machine), SlowBroker()
    one, other = (
        Sweeper(machine.engine, broker, Names("headframe"), ("salt",), SweeperSettings())  # type: ignore[arg-type]
        for _ in range(2)
    )
    first = threading.Thread(target=one.resend)
    first.start()
    assert broker.asked.wait(60)
    second = threading.Thread(target=other.resend)
    second.start()
    second.join(5)  # it has nothing to wait for
    broker.answer.set()
    for thread in (first, second):
        thread.join()
    assert sorted(broker.sent) == lost


ITEMS = "select id, epoch from item where scope = 'file' order by id"
