"""Since when an item may be worked on goes with its work, and comes back as how long it has waited."""

from datetime import timedelta

from headframe.consumers.messages import WorkItem
from headframe.statemachine.records import Usage
from headframe.statemachine.store.core import Ready

from .small_machine import SmallMachine
from .test_outbox import Office


def sent(office: Office) -> WorkItem:
    (work,) = office.work("salt")
    return work.parcel[0]


def test_a_hint_that_is_sent_again_says_the_same_since_when_its_item_waits(machine: SmallMachine) -> None:
    office = Office(machine)
    box = office.outbox()
    (ready,) = office.register(1, 1)
    since = machine.item(1, 1).changed_at
    box.send_new([ready])
    first = sent(office)
    assert first.ready_at == since
    assert machine.item(1, 1).changed_at > since
    with machine.engine.begin() as conn:
        assert box.send_again(conn, [ready]) == [ready]
    assert sent(office) == first


def test_what_waits_on_purpose_is_not_in_the_queue_yet(machine: SmallMachine) -> None:
    office = Office(machine)
    office.register(1, 1)
    machine.say(1, 1, "fail", reason="no peaks")
    machine.sql("update item set not_before = changed_at + interval '5 s' where phase = 'ready'")
    found = machine.item(1, 1)
    with machine.engine.begin() as conn:
        office.outbox().send(conn, [Ready(item=found.id, epoch=found.epoch, step="salt", lane="live")])
    assert sent(office).ready_at == found.changed_at + timedelta(seconds=5)


def test_an_attempt_keeps_how_long_its_item_waited_though_its_worker_dies(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.say(1, 1, "start", usage=Usage(queue_s=12.5))
    usage = machine.sql_value("select usage from attempt")
    assert usage == {"queue_s": 12.5}
    machine.say(1, 1, "succeed", usage=Usage(wall_s=2, cpu_s=1, memory_peak=5, queue_s=12.5))
    usage = machine.sql_value("select usage from attempt")
    assert usage == {"wall_s": 2, "cpu_s": 1, "memory_peak": 5, "queue_s": 12.5}
