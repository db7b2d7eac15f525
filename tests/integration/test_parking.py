"""What RabbitMQ or a worker gives up: kept whole, its items taken back, tried again when somebody asks."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from headframe.consumers.broker import Broker, Names, Outgoing, connect
from headframe.consumers.broker.management import Management
from headframe.consumers.broker.policies import policies
from headframe.consumers.messages import LARGEST, Settle, SettleItem, Work, decode, encode
from headframe.daemon.conductor.conductor import Conductor, ConductorSettings
from headframe.daemon.conductor.outbox import Outbox
from headframe.daemon.conductor.parking import Parking
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.letters import Chosen, ask_replay
from headframe.statemachine.views import DeadLetterRow, dead_letter_body, dead_letters

from .broker_help import eventually, gather
from .rabbit_server import RabbitServer
from .small_machine import SmallMachine

LIMIT = 2
STEPS = ("salt", "place", "reconstruct", "catalog", "settle")


class Depot:
    """A small machine with a real broker, its policies, and a parking queue that the test drains by hand."""

    def __init__(self, url: str, folder: Path, rabbit: RabbitServer, instance: str) -> None:
        self.machine = SmallMachine(url, folder)
        self.engine = self.machine.engine
        self.names = Names(instance)
        self.api = Management(
            f"http://127.0.0.1:{rabbit.api_port}", vhost="/", user=rabbit.user, password=rabbit.password
        )
        for policy in policies(self.names, LIMIT):
            self.api.set_policy(policy)
        self.broker: Broker = connect(rabbit.url, user=rabbit.user, password=rabbit.password)
        self.broker.declare(self.names.topology(STEPS))
        self.parking = Parking(self.engine, self.broker, self.names, look_s=0)

    def send(self, run: int, sequence: int) -> None:
        """Send an item's work as the conductor does."""
        found = self.machine.item(run, sequence)
        with self.engine.begin() as connection:
            connection.execute(text("update item set not_before = null where id = :id"), {"id": found.id})
        outbox = Outbox(self.engine, self.broker, self.names, "conductor")
        with self.engine.begin() as connection:
            outbox.send(connection, [Ready(item=found.id, epoch=found.epoch, step=found.step, lane=found.lane)])

    def die_of(self, queue: str) -> int:
        """Take a message as workers do who die of it, until RabbitMQ gives it up; give how many died."""
        died = 0
        for _ in range(50):
            worker = self.broker.subscribe([queue], 1)
            got = gather(worker, 1, within_s=1)
            worker.close()
            died += len(got)
            if not got and self.broker.depth(queue) == 0:
                return died
        raise AssertionError(f"it came {died} times, and was not given up")

    def drain(self, number: int = 1) -> list[DeadLetterRow]:
        """Put away so many parked messages; give all letters."""
        left, end = number, time.monotonic() + 30
        while left > 0 and time.monotonic() < end:
            left -= self.parking.turn(1.0)
        assert left == 0
        return self.letters()

    def letters(self) -> list[DeadLetterRow]:
        with self.engine.connect() as connection:
            return list(dead_letters(connection, every=True).rows)

    def body(self, letter: DeadLetterRow) -> bytes:
        with self.engine.connect() as connection:
            return dead_letter_body(connection, letter.id)

    def replay(self, *ids: int) -> Chosen:
        with self.engine.begin() as connection:
            return ask_replay(connection, ids, None, actor="anna", reason="it is mended")

    def park(self, body: bytes, **headers: str) -> None:
        """Put a message into the parking queue, as somebody else might."""
        assert self.broker.publish([Outgoing(key=self.names.dead, body=body, headers=headers)]) == [True]

    def close(self) -> None:
        self.broker.close()
        self.engine.dispose()


@pytest.fixture
def depot(database_url: str, tmp_path: Path, rabbit: RabbitServer, rabbit_instance: str) -> Iterator[Depot]:
    made = Depot(database_url, tmp_path, rabbit, rabbit_instance)
    yield made
    made.close()
    for name in ("work", "inbound", "dead"):
        rabbit.api("DELETE", f"/policies/%2F/{rabbit_instance}-{name}")


def test_work_over_its_delivery_limit_is_an_interrupt_and_its_message_is_kept(depot: Depot) -> None:
    depot.machine.arrive(1, 1)
    before = depot.machine.item(1, 1)
    depot.send(1, 1)
    queue = depot.names.work("salt", "live")
    assert depot.die_of(queue) == LIMIT + 1
    (letter,) = depot.drain()
    item = depot.machine.item(1, 1)
    assert (item.phase, item.epoch, item.reason_code) == ("ready", before.epoch + 1, "delivery-limit")
    assert item.failures == 0
    assert (letter.code, letter.queue, letter.count, letter.standing) == ("delivery-limit", queue, 1, "cleared")
    assert letter.headers["x-first-death-queue"] == queue
    assert letter.replayable
    assert b'"message":"work"' in depot.body(letter)


def test_work_that_is_given_up_in_every_epoch_fails_in_the_end(depot: Depot) -> None:
    depot.machine.arrive(1, 1)
    for _ in range(3):
        depot.send(1, 1)
        depot.die_of(depot.names.work("salt", "live"))
        depot.drain()
    item = depot.machine.item(1, 1)
    assert (item.phase, item.reason_code) == ("failed", "kills-workers")
    (letter,) = depot.letters()
    assert letter.count == 3


def test_work_that_somebody_has_begun_goes_on_whatever_becomes_of_its_message(depot: Depot) -> None:
    depot.machine.arrive(1, 1)
    depot.send(1, 1)
    depot.machine.say(1, 1, "start")
    before = depot.machine.item(1, 1)
    depot.die_of(depot.names.work("salt", "live"))
    depot.drain()
    assert depot.machine.item(1, 1).version == before.version


def test_work_of_an_old_epoch_changes_nothing(depot: Depot) -> None:
    depot.machine.arrive(1, 1)
    depot.send(1, 1)
    depot.machine.say(1, 1, "interrupt", reason_code="drain", reason="told to leave")
    before = depot.machine.item(1, 1)
    depot.die_of(depot.names.work("salt", "live"))
    depot.drain()
    assert depot.machine.item(1, 1).version == before.version


def test_messages_that_wait_too_long_are_parked_and_their_items_come_back(depot: Depot, rabbit: RabbitServer) -> None:
    depot.machine.arrive(1, 1)
    definition = {"message-ttl": 1, "dead-letter-exchange": depot.names.dead}
    rabbit.api(
        "PUT",
        f"/policies/%2F/{depot.names.prefix}-ttl",
        {"pattern": rf"^{depot.names.prefix}\.work", "definition": definition, "priority": 99, "apply-to": "queues"},
    )
    depot.send(1, 1)
    (letter,) = depot.drain()
    rabbit.api("DELETE", f"/policies/%2F/{depot.names.prefix}-ttl")
    assert letter.code == "expired"
    assert depot.machine.item(1, 1).reason_code == "undelivered"


def test_work_that_a_worker_cannot_read_comes_back_too_and_stays_on_the_list(depot: Depot) -> None:
    depot.machine.arrive(1, 1)
    depot.send(1, 1)
    queue = depot.names.work("salt", "live")
    worker = depot.broker.subscribe([queue], 1)
    worker.reject(gather(worker, 1), "message version 2 is not 0 or 1")
    worker.close()
    (letter,) = depot.drain()
    assert (letter.code, letter.queue, letter.standing) == ("message-unreadable", queue, "open")
    assert "version 2" in letter.sentence
    item = depot.machine.item(1, 1)
    assert (item.phase, item.reason_code) == ("ready", "undelivered")


def test_a_large_work_message_that_is_given_up_ends_as_any_other(depot: Depot) -> None:
    depot.machine.arrive(1, 1)
    for _ in range(3):
        depot.send(1, 1)
        queue = depot.names.work("salt", "live")
        worker = depot.broker.subscribe([queue], 1)
        (small,) = gather(worker, 1)
        large = swollen(small.body)
        worker.ack([small])
        worker.close()
        depot.broker.publish([Outgoing(key=queue, body=large)])
        assert depot.die_of(queue) == LIMIT + 1
        (letter,) = depot.drain()
    assert (letter.code, letter.count, letter.standing) == ("delivery-limit", 3, "cleared")
    assert (letter.body_size, letter.replayable) == (len(large), False)
    assert large.startswith(depot.body(letter))
    item = depot.machine.item(1, 1)
    assert (item.phase, item.reason_code) == ("failed", "kills-workers")


def test_work_that_workers_put_aside_again_and_again_fails_with_their_reason(depot: Depot) -> None:
    depot.machine.arrive(1, 1)
    tries = 0
    while depot.machine.item(1, 1).phase == "ready":
        tries += 1
        assert tries < 10
        depot.send(1, 1)
        worker = depot.broker.subscribe([depot.names.work("salt", "live")], 1)
        worker.reject(gather(worker, 1), "it leads out of its site")
        worker.close()
        (letter,) = depot.drain()
    item = depot.machine.item(1, 1)
    assert (item.phase, item.reason_code, item.failures) == ("failed", "undelivered", 4)
    assert item.reason == "its work message was put aside by a worker: it leads out of its site"
    assert (letter.count, letter.standing) == (tries, "open")


def swollen(body: bytes) -> bytes:
    """Give a work message more to say than other messages may have."""
    work = decode(body, Work)
    metadata = {"remark": "x" * (LARGEST + 1)}
    parcel = tuple(msgspec.structs.replace(item, metadata=metadata) for item in work.parcel)
    return encode(msgspec.structs.replace(work, parcel=parcel))


def test_settle_work_that_is_given_up_needs_nobody_because_it_is_sent_again(depot: Depot) -> None:
    queue = depot.names.work("settle", "live")
    settle = Settle(parcel=(SettleItem(id=1, action="clean", site="work", path="attempts/x"),))
    depot.broker.publish([Outgoing(key=queue, body=encode(settle))])
    depot.die_of(queue)
    (letter,) = depot.drain()
    assert (letter.code, letter.standing) == ("delivery-limit", "cleared")


def test_a_body_is_kept_whole_up_to_the_largest_message_and_cut_above(depot: Depot) -> None:
    claimed = {"headframe-queue": depot.names.arrivals, "headframe-reason": "too large"}
    whole, large = b"\xff" * LARGEST, b"\xfe" * (LARGEST + 1)
    depot.park(whole, **claimed)
    depot.park(large, **claimed)
    cut, kept = depot.drain(2)
    assert (kept.body_size, kept.replayable, depot.body(kept)) == (LARGEST, True, whole)
    assert (cut.body_size, cut.replayable) == (LARGEST + 1, False)
    assert large.startswith(depot.body(cut))
    assert depot.replay(cut.id).changed == 0


@pytest.mark.parametrize("origin", ["", "other.work.salt.live", "dead", "\x1b[31m", "x" * 300])
def test_a_stray_message_goes_back_to_nobody(depot: Depot, origin: str) -> None:
    claimed = f"{depot.names.prefix}.{origin}" if origin not in ("", "other.work.salt.live") else origin
    depot.park(b"\x00\x1b[31m", **({"headframe-queue": claimed} if claimed else {}))
    (letter,) = depot.drain()
    assert (letter.code, letter.queue, letter.replayable) == ("stray", "", False)
    assert letter.sentence.isprintable()


def test_a_replay_goes_to_the_queue_it_came_from_and_says_who_asked(depot: Depot) -> None:
    queue = depot.names.reports("bulk")
    body = b"\x00 every \xff byte"
    depot.park(body, **{"headframe-queue": queue, "headframe-reason": "bad", "trace": "t1", "x-delivery-count": "3"})
    (letter,) = depot.drain()
    assert depot.replay(letter.id) == Chosen(total=1, changed=1)
    (asked,) = depot.letters()
    assert (asked.standing, asked.asked_by, asked.asked_reason) == ("asked", "anna", "it is mended")
    depot.parking.turn(0)
    (again,) = gather(depot.broker.subscribe([queue], 1), 1)
    assert (again.body, again.headers) == (body, {"trace": "t1"})
    (done,) = depot.letters()
    assert (done.standing, done.replayed_by, done.replays) == ("replayed", "anna", 1)
    with depot.engine.connect() as connection:
        actor, action, changed = connection.execute(text("select actor, action, changed from operation")).one()
    assert (actor, action, changed) == ("anna", "ask_replay", 1)


def test_what_is_still_bad_after_a_replay_is_the_same_row_counted_again(depot: Depot) -> None:
    book, settings = depot.machine.book, ConductorSettings()
    conductor = Conductor(depot.engine, depot.broker, depot.names, book, settings)
    depot.broker.publish([Outgoing(key=depot.names.arrivals, body=b"nonsense")])
    conductor.turn(5.0)
    (first,) = depot.letters()
    assert (first.code, first.queue, first.count) == ("message-unreadable", depot.names.arrivals, 1)
    depot.replay(first.id)
    depot.parking.turn(0)
    assert conductor.turn(5.0) == 1
    (again,) = depot.letters()
    assert (again.id, again.count, again.standing, again.replays) == (first.id, 2, "open", 1)
    assert again.last_at > (again.replayed_at or again.last_at)


def test_a_replay_to_a_queue_that_has_gone_says_so_and_stays_on_the_list(depot: Depot) -> None:
    control = depot.names.control(secrets.token_hex(4))
    depot.park(b"x", **{"headframe-queue": control, "headframe-reason": "bad"})
    (letter,) = depot.drain()
    depot.replay(letter.id)
    depot.parking.turn(0)
    (stuck,) = depot.letters()
    assert (stuck.standing, stuck.replay_error) == ("stuck", "its queue is not there any more")


def test_bad_values_are_told_from_an_outage_however_many_come_at_once(depot: Depot) -> None:
    conductor = Conductor(depot.engine, depot.broker, depot.names, depot.machine.book, ConductorSettings())
    bad = [_arrived(path=f"inbox/{n}\0", sequence=n) for n in range(5)]
    depot.broker.publish([Outgoing(key=depot.names.arrivals, body=body) for body in bad])
    taken = 0
    while taken < 5:
        taken += conductor.turn(5.0)
    assert [letter.code for letter in depot.letters()] == ["message-refused"] * 5
    assert eventually(lambda: depot.broker.depth(depot.names.arrivals) == 0)


def _arrived(**changes: Any) -> bytes:
    from headframe.consumers.messages import Arrived
    from headframe.statemachine.records import ArrivedFile

    said: dict[str, Any] = {"site": "source", "path": "p", "name": "n", "run": 1, "sequence": 1, "size": 1}
    return encode(Arrived(files=(ArrivedFile(**{**said, "mtime_ns": 1, **changes}),)))
