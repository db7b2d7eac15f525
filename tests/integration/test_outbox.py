"""What goes out, in which order, and what becomes of work that cannot be sent."""

import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from headframe.consumers.broker import BrokerRefusedError, Delivery, Names, Outgoing
from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub
from headframe.consumers.messages import (
    LARGEST,
    LARGEST_WORK,
    MessageError,
    Report,
    Settle,
    Work,
    WorkItem,
    decode,
    encode,
)
from headframe.daemon.conductor import outbox
from headframe.daemon.conductor.applying import Effects
from headframe.daemon.conductor.conductor import Conductor, ConductorSettings
from headframe.daemon.conductor.outbox import Outbox
from headframe.daemon.sweeper.sweeper import Sweeper, SweeperSettings
from headframe.statemachine.lanes import LANES
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.pipeline import RunType, Step, build
from headframe.statemachine.records import ArrivedFile, Content, Location, Outcome
from headframe.statemachine.store.arrivals import register
from headframe.statemachine.store.core import Ready

from .small_machine import WORKER, SmallMachine

STEPS = ("salt", "place", "reconstruct", "catalog", "summary", "settle")


class Office:
    """A small machine, a broker, and what is in its queues."""

    def __init__(self, machine: SmallMachine, steps: Sequence[str] = STEPS) -> None:
        self.machine, self.names, self.broker = machine, Names("headframe"), MemoryBroker(MemoryHub())
        self.broker.declare(self.names.topology(steps))

    def outbox(self, **windows: int) -> Outbox:
        return Outbox(self.machine.engine, self.broker, self.names, "conductor", windows)

    def sweeper(self, page: int = 500) -> Sweeper:
        return Sweeper(self.machine.engine, self.broker, self.names, SweeperSettings(page=page))

    def depth(self, step: str) -> int:
        return self.broker.depth(self.names.work(step, "live"))

    def work(self, step: str) -> list[Work]:
        taken = self.broker.subscribe([self.names.work(step, "live")], 1000).take(1000, 0.0)
        return [decode(each.body, Work) for each in taken]

    def register(self, run: int, *sequences: int) -> tuple[Ready, ...]:
        files = [
            ArrivedFile(
                site="source",
                path=f"{run}/{n}",
                name=f"{run}_{n}",
                run=run,
                sequence=n,
                size=3,
                mtime_ns=1,
                kind="science",
            )
            for n in sequences
        ]
        with self.machine.engine.begin() as conn:
            return register(conn, files, self.machine.book).ready

    def lose_hints(self) -> None:
        """Let all that is submitted be long overdue, the first items first, and every report applied for an hour."""
        self.machine.sql(
            "update item set submitted_at = now() - interval '1 hour' + make_interval(secs => id) "
            "where phase = 'submitted'"
        )
        self.machine.sql("insert into watermark (lane, applied_at) values ('live', now() + interval '1 hour')")


def test_what_is_new_does_not_overtake_what_waits_behind_a_full_window(machine: SmallMachine) -> None:
    office = Office(machine)
    box = office.outbox(salt=2)
    box.send_new(office.register(1, 1, 2, 3, 4))
    box.refill()
    machine.say(1, 1, "start")
    box.send_new(office.register(2, 1))
    assert machine.item(2, 1).phase == "ready"
    box.refill()
    assert [machine.item(1, n).phase for n in (1, 2, 3)] == ["executing", "submitted", "submitted"]


def test_a_full_window_is_no_reason_to_hurry_until_somebody_reports(machine: SmallMachine) -> None:
    office = Office(machine)
    box = office.outbox(salt=2)
    box.send_new(office.register(1, 1, 2, 3, 4))
    assert box.pressed
    box.refill()
    assert box.backlogged and not box.pressed
    box.freed()
    assert box.pressed
    for n in (1, 2, 3, 4):
        machine.say(1, n, "start")
    box.refill()
    assert not box.backlogged and not box.pressed


def test_a_report_lets_a_conductor_look_for_what_waits_at_once(machine: SmallMachine) -> None:
    office = Office(machine)
    conductor = Conductor(machine.engine, office.broker, office.names, machine.book, ConductorSettings(refill_s=1000.0))
    conductor.outbox.windows = {"salt": 1}
    conductor.turn(0.0)
    conductor.outbox.send_new(office.register(1, 1, 2))
    conductor.outbox.refill()
    assert conductor._until_refill() > 100
    first = machine.item(1, 1)
    said = Outcome(item=first.id, epoch=first.epoch, trigger="start", step="salt")
    body = encode(Report(reporter=WORKER, lane="live", outcomes=(said,)))
    office.broker.publish([Outgoing(key=office.names.reports("live"), body=body)])
    conductor.turn(0.0)
    assert conductor._until_refill() < 1
    conductor.turn(1.0)
    assert machine.item(1, 2).phase == "submitted"


def test_a_broker_that_answers_and_refuses_is_said_by_who_conducts(
    machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is well and says nothing: without a word, all work would stand still and nobody would know why."""
    office, stop, tried = Office(machine), Event(), list[Sequence[Outgoing]]()
    conductor = Conductor(machine.engine, office.broker, office.names, machine.book, ConductorSettings(refill_s=0.0))
    office.register(1, 1, 1)

    def refuse(messages: Sequence[Outgoing]) -> list[bool]:
        tried.append(messages)
        if len(tried) == 2:
            stop.set()
        raise BrokerRefusedError("no exchange 'headframe.work' (404)", 404)

    monkeypatch.setattr(office.broker, "publish", refuse)
    with capture_logs() as said:
        conductor.run(stop)
    assert [(entry["log_level"], entry["cause"]) for entry in said] == [("error", "no exchange 'headframe.work' (404)")]


def conductors(office: Office) -> tuple[Conductor, Conductor]:
    live, bulk = (
        Conductor(
            office.machine.engine,
            office.broker,
            office.names,
            office.machine.book,
            ConductorSettings(chunk=2),
            lane=lane,
        )
        for lane in LANES
    )
    return live, bulk


def test_each_lane_has_a_conductor_that_sends_its_own_work_only(machine: SmallMachine) -> None:
    office = Office(machine)
    live, bulk = conductors(office)
    office.register(1, 1, 2)
    machine.sql("update item set lane = 'bulk' where file_id = (select min(id) from file)")
    bulk.outbox.refill()
    assert [machine.item(1, n).phase for n in (1, 2)] == ["submitted", "ready"]
    live.outbox.refill()
    assert machine.item(1, 2).phase == "submitted"


def test_what_a_batch_makes_ready_in_the_other_lane_is_left_to_its_conductor_who_is_told(machine: SmallMachine) -> None:
    office, told = Office(machine), list[str]()
    live, bulk = conductors(office)
    live.pass_on, bulk.pass_on = lambda: told.append("bulk"), lambda: told.append("live")
    (first,) = office.register(1, 1)
    machine.sql("update item set lane = 'bulk' where file_id is not null")
    said = Outcome(item=first.item, epoch=first.epoch, trigger="fail", step="salt", reason_code="x", permanent=True)
    for lane in LANES:  # a worker that was given the work before an operator moved it
        body = encode(Report(reporter=WORKER, lane=lane, outcomes=(said,)))
        office.broker.publish([Outgoing(key=office.names.reports(lane), body=body)])
    bulk._send(Effects(ready=(first,)))
    assert told == ["live"]
    live.turn(0.0)
    assert machine.item(1, 1).phase == "failed", "whose lane it is does not matter for a report"
    machine.act(Trigger.RESOLVE, runs=(1,))
    live.turn(0.0)
    assert machine.item(1, 1).phase == "ready"
    bulk.turn(0.0)
    assert machine.item(1, 1).phase == "submitted"


def test_a_refill_of_the_bulk_lane_goes_out_in_small_pieces_and_goes_on_soon(machine: SmallMachine) -> None:
    office = Office(machine)
    _, bulk = conductors(office)
    machine.arrive(1, 1, 2, 3)
    machine.sql("update item set lane = 'bulk' where file_id is not null")
    bulk.outbox.refill()
    assert [machine.item(1, n).phase for n in (1, 2, 3)] == ["submitted", "submitted", "ready"]
    assert bulk.outbox.pressed
    bulk.outbox.refill()
    assert machine.item(1, 3).phase == "submitted"


def test_a_conductor_rests_so_long_that_it_keeps_to_its_share(machine: SmallMachine) -> None:
    office = Office(machine)
    settings = ConductorSettings(share=0.25)
    bulk = Conductor(machine.engine, office.broker, office.names, machine.book, settings, lane="bulk")
    began = time.monotonic()
    bulk.turn(0.0)
    assert 0 < bulk.rest_s() <= 3 * (time.monotonic() - began)
    live, _ = conductors(office)
    live.turn(0.0)
    assert live.rest_s() == 0


def test_a_batch_that_takes_too_long_is_halved_until_it_does_not(
    machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, stop, sizes = Office(machine), Event(), list[int]()
    settings = ConductorSettings(batch=8, refill_s=1000.0)
    conductor = Conductor(machine.engine, office.broker, office.names, machine.book, settings)
    whole = conductor.batch.commit

    def slow(deliveries: Sequence[Delivery]) -> Effects:
        sizes.append(len(deliveries))
        if len(deliveries) > 3:
            with machine.engine.begin() as connection:
                connection.execute(text("set local statement_timeout = 1"))
                connection.execute(text("select pg_sleep(10)"))
        if sum(size for size in sizes if size <= 3) == 8:
            stop.set()
        return whole(deliveries)

    monkeypatch.setattr(conductor.batch, "commit", slow)
    machine.arrive(1, *range(1, 9))
    for n in range(1, 9):
        said = Outcome(item=machine.item(1, n).id, epoch=machine.item(1, n).epoch, trigger="start", step="salt")
        body = encode(Report(reporter=WORKER, lane="live", outcomes=(said,)))
        office.broker.publish([Outgoing(key=office.names.reports("live"), body=body)])
    conductor.run(stop)
    assert sizes[:3] == [8, 4, 2]
    assert [machine.item(1, n).phase for n in range(1, 9)] == ["executing"] * 8


def test_a_batch_of_large_messages_is_taken_in_parts_and_in_order(machine: SmallMachine) -> None:
    office = Office(machine)
    settings = ConductorSettings(batch_bytes=1, refill_s=1000.0)
    bulk = Conductor(machine.engine, office.broker, office.names, machine.book, settings, lane="bulk")
    machine.arrive(1, 1)
    first = machine.item(1, 1)
    for trigger in ("start", "succeed"):
        said = Outcome(item=first.id, epoch=first.epoch, trigger=trigger, step="salt")  # type: ignore[arg-type]
        body = encode(Report(reporter=WORKER, lane="bulk", outcomes=(said,)))
        office.broker.publish([Outgoing(key=office.names.reports("bulk"), body=body)])
    assert bulk.turn(1.0) == 1
    assert machine.item(1, 1).phase == "executing"
    assert bulk.turn(1.0) == 1
    assert machine.item(1, 1).state == "salted"


def test_a_campaign_that_is_paused_sends_nothing_new(machine: SmallMachine) -> None:
    office = Office(machine)
    machine.arrive(1, 1)
    machine.sql("update campaign set status = 'paused'")
    office.outbox().send_new(office.register(1, 2))
    assert office.depth("salt") == 0
    machine.sql("update campaign set status = 'open'")
    office.outbox().refill()
    assert office.depth("salt") == 2


def test_lost_hints_whose_input_is_gone_fail_and_block_no_others(machine: SmallMachine) -> None:
    office = Office(machine)
    machine.arrive(1, 1, 2, 3, 4)
    for n in (1, 2, 3, 4):
        machine.do(1, n)
        machine.do(1, n)
        machine.submit(1, n)
    machine.sql("update product set superseded_at = now() where file_id in (select id from file where sequence < 4)")
    office.lose_hints()
    sweeper = office.sweeper(page=3)
    sweeper.resend()
    assert [machine.item(1, n).reason_code for n in (1, 2, 3)] == ["input-gone"] * 3
    assert [machine.item(1, n).phase for n in (1, 2, 3, 4)] == ["failed"] * 3 + ["submitted"]
    sweeper.resend()
    assert office.depth("reconstruct") == 1


def test_a_lost_hint_is_sent_again_behind_a_queue_that_is_never_empty_once_a_later_one_is_taken_up(
    machine: SmallMachine,
) -> None:
    office = Office(machine)
    machine.arrive(1, 1, 2, 3)
    machine.submit(1, 1)
    office.lose_hints()
    office.outbox().refill()
    sweeper = office.sweeper()
    sweeper.settings = SweeperSettings(lost_hint_s=600.0)
    before = office.depth("salt")
    sweeper.resend()
    assert office.depth("salt") == before > 0
    for n in (2, 3):
        machine.say(1, n, "start")
    sweeper.resend()
    assert office.depth("salt") == before + 1
    assert office.work("salt")[-1].parcel[0].item == machine.item(1, 1).id


def test_a_hint_that_was_sent_again_says_nothing_of_those_before_it(machine: SmallMachine) -> None:
    office = Office(machine)
    machine.arrive(1, 1, 2)
    office.outbox().refill()
    machine.sql("update item set submitted_at = now() - interval '1 hour' where phase = 'submitted'")
    machine.sql("update item set since = submitted_at where phase = 'submitted'")
    machine.sql("insert into watermark (lane, applied_at) values ('live', now() + interval '1 hour')")
    machine.sql("update item set submitted_at = now() where file_id = (select id from file where sequence = 2)")
    sweeper = office.sweeper()
    sweeper.settings = SweeperSettings(lost_hint_s=600.0)
    sweeper.resend()
    machine.say(1, 2, "start")
    before = office.depth("salt")
    sweeper.resend()
    assert office.depth("salt") == before


def test_hints_of_a_step_that_left_the_configuration_are_sent_again(machine: SmallMachine) -> None:
    office = Office(machine, [step for step in STEPS if step != "salt"])
    machine.arrive(1, 1)
    machine.submit(1, 1)
    office.lose_hints()
    sweeper = office.sweeper()
    sweeper.resend()  # there is no queue yet
    sweeper.resend()
    assert [item.item for work in office.work("salt") for item in work.parcel] == [machine.item(1, 1).id]


def test_items_of_a_step_that_left_the_configuration_wait_in_its_queue(machine: SmallMachine) -> None:
    office = Office(machine, [step for step in STEPS if step != "salt"])
    machine.arrive(1, 1)
    box = office.outbox()
    for _ in range(3):
        box.refill()
    assert machine.item(1, 1).phase == "submitted" and office.depth("salt") == 1


def test_work_that_no_message_carries_fails_with_what_to_do(
    machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LARGEST_WORK", 4000)
    office = Office(machine)
    machine.arrive(1, *range(1, 21))
    machine.inform(1, expected=20, closed=True)
    machine.through(1, *range(1, 21))
    assert machine.item(1, None).phase == "ready"
    office.outbox().refill()
    item = machine.item(1, None)
    assert (item.phase, item.reason_code) == ("failed", "work-too-large")
    assert item.reason.startswith("its 20 inputs make a work message of 0.0 MB, more than")
    assert office.depth("summary") == 0


def test_a_parcel_that_is_too_large_goes_out_in_smaller_ones(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LARGEST_WORK", 2000)
    look = Step(name="look", to="seen", makes="nothing", parcel=50)
    machine = SmallMachine(database_url, tmp_path, build("default", [look], {"science": RunType()}))
    office = Office(machine, ("look", "settle"))
    machine.arrive(1, *range(1, 21))
    office.outbox().refill()
    works = office.work("look")
    assert 1 < len(works) < 20 and max(len(encode(work)) for work in works) <= 2000
    assert sorted(item.sequence or 0 for work in works for item in work.parcel) == list(range(1, 21))
    machine.engine.dispose()


def test_items_that_were_with_a_worker_that_died_go_out_alone(database_url: str, tmp_path: Path) -> None:
    look = Step(name="look", to="seen", makes="nothing", parcel=3)
    machine = SmallMachine(database_url, tmp_path, build("default", [look], {"science": RunType()}))
    office = Office(machine, ("look", "settle"))
    machine.arrive(1, *range(1, 6))
    for n in (1, 2):
        machine.say(1, n, "start")
        machine.say(1, n, "interrupt", reason_code="lost-lease")
    office.outbox().refill()
    parcels = [[item.sequence for item in work.parcel] for work in office.work("look")]
    assert sorted(parcels) == [[1], [2], [3, 4, 5]]
    machine.engine.dispose()


def test_a_work_message_may_be_larger_than_others() -> None:
    inputs = tuple(
        Content(role="raw", location=Location(site="s", path="x" * 300), name="n", size=1) for _ in range(30_000)
    )
    item = WorkItem(
        item=1, epoch=1, run=1, kind="k", name="n", sequence=None, inputs=inputs, folder=Location(site="s", path="p")
    )
    work = Work(step="s", lane="l", use="u", scope="run", makes="m", campaign="c", lease_s=1, parcel=(item,))
    body = encode(work)
    assert LARGEST < len(body) < LARGEST_WORK
    assert decode(body, Work, Settle) == work
    with pytest.raises(MessageError, match=f"larger than {LARGEST}"):
        decode(body, Report)
