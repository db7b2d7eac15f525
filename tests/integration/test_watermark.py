"""Markers: up to when all reports have been applied, with conductors that come, go, and hold messages back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from headframe.consumers.broker import Names, Outgoing, connect
from headframe.consumers.messages import Marker, encode
from headframe.daemon.conductor.conductor import Conductor, ConductorSettings
from headframe.statemachine import database
from headframe.statemachine.store.core import database_time
from headframe.statemachine.store.sweep import Mark, mark_applied

from .rabbit_server import RabbitServer
from .two_conductors import book

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.connect(database_url, "headframe")
    yield engine
    engine.dispose()


def now(engine: Engine) -> datetime:
    with engine.begin() as conn:
        return database_time(conn)


def apply(engine: Engine, reign: str, sent_at: datetime | None = None) -> None:
    mark = Mark(lane="live", sent_at=sent_at or now(engine), reign=reign)
    with engine.begin() as conn:
        mark_applied(conn, [mark])


def watermark(engine: Engine) -> datetime:
    with engine.begin() as conn:
        found: datetime = conn.execute(
            text("select greatest(applied_at, '1900-01-01') from watermark where lane = 'live'")
        ).scalar_one()
    return found


def test_the_first_marker_of_a_consumer_only_begins_its_reign(engine: Engine) -> None:
    apply(engine, "anna.1")
    assert watermark(engine) < LONG_AGO
    second = now(engine)
    apply(engine, "anna.1", second)
    assert watermark(engine) == second


def test_a_marker_sent_before_another_consumer_took_over_says_nothing(engine: Engine) -> None:
    apply(engine, "anna.1")
    sent_early = now(engine)
    apply(engine, "bert.1", sent_early)
    apply(engine, "bert.1", sent_early)
    assert watermark(engine) < LONG_AGO, "anna may still hold a report that was sent before it"
    later = now(engine)
    apply(engine, "bert.1", later)
    assert watermark(engine) == later


def test_a_consumer_that_lost_its_channel_begins_anew(engine: Engine) -> None:
    apply(engine, "anna.1")
    sent = now(engine)
    apply(engine, "anna.2", sent)
    assert watermark(engine) < LONG_AGO


def test_a_marker_from_the_future_counts_as_sent_now_and_an_old_one_takes_nothing_back(engine: Engine) -> None:
    apply(engine, "anna.1")
    sent = now(engine)
    apply(engine, "anna.1", sent + timedelta(days=365))
    reached = watermark(engine)
    assert sent < reached < sent + timedelta(minutes=1)
    apply(engine, "anna.1", sent)
    assert watermark(engine) == reached


def test_a_conductor_that_holds_reports_lets_no_marker_overtake_them(
    engine: Engine, rabbit: RabbitServer, rabbit_instance: str
) -> None:
    names = Names(rabbit_instance)
    brokers = [connect(rabbit.url, user=rabbit.user, password=rabbit.password) for _ in range(3)]
    for broker in brokers:
        broker.declare(names.topology([]))
    settings = ConductorSettings(batch=100, refill_s=60)
    frozen, other = (Conductor(engine, broker, names, book(), settings) for broker in brokers[:2])

    def send(sent_at: datetime) -> None:
        marker = encode(Marker(lane="live", sent_at=sent_at))
        assert all(brokers[2].publish([Outgoing(key=names.reports("live"), body=marker)]))

    def work(conductor: Conductor) -> None:
        assert conductor.turn(10.0) == 1

    send(now(engine))
    work(frozen)
    held = now(engine)
    send(held)
    send(now(engine))
    assert other.subscription.take(1, 0.3) == [], "one conductor at a time consumes a lane"
    brokers[0].close()
    assert other.turn(10.0) + other.turn(1.0) >= 2
    assert watermark(engine) < LONG_AGO, "what the dead one held came back after what was newer"
    last = now(engine)
    send(last)
    work(other)
    assert watermark(engine) == last
    for broker in brokers[1:]:
        broker.close()
