"""What only a real broker can do to us: connections lost, stalled and blocked, restarts, wrong passwords, TLS."""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from headframe.consumers.broker import (
    Broker,
    BrokerRefusedError,
    BrokerUnavailableError,
    Delivery,
    Names,
    Outgoing,
    Queue,
    Subscription,
    Tls,
    Topology,
    connect,
)
from headframe.consumers.broker.rabbit import RabbitBroker
from headframe.consumers.broker.rabbit_flow import Consumers
from headframe.consumers.broker.rabbit_io import Channel
from headframe.consumers.broker.rabbit_link import backoff
from headframe.consumers.broker.rabbit_subscription import RabbitSubscription

from .broker_help import eventually, gather, send
from .proxy import TcpProxy
from .rabbit_server import RabbitServer
from .servers import wait_until


@pytest.fixture
def proxy(rabbit: RabbitServer) -> Iterator[TcpProxy]:
    proxy = TcpProxy(rabbit.port)
    yield proxy
    proxy.close()


@pytest.fixture
def names(rabbit_instance: str) -> Names:
    return Names(rabbit_instance)


@pytest.fixture
def live(names: Names) -> str:
    return names.work("salt", "live")


@pytest.fixture
def direct(rabbit: RabbitServer, names: Names) -> Iterator[Broker]:
    """Give a connection that goes straight to the broker."""
    broker = connect(rabbit.url, user=rabbit.user, password=rabbit.password, timeout_s=3)
    broker.declare(names.topology(["salt"]))
    yield broker
    broker.close()


@pytest.fixture
def fragile(rabbit: RabbitServer, proxy: TcpProxy, names: Names) -> Iterator[Broker]:
    """Give a connection that goes through the proxy."""
    url = f"amqp://127.0.0.1:{proxy.port}/"
    broker = connect(url, user=rabbit.user, password=rabbit.password, timeout_s=3)
    broker.declare(names.topology(["salt"]))
    yield broker
    proxy.admit()
    proxy.flow()
    broker.close()


def publish_until_it_works(broker: Broker, queue: str, body: str, within_s: float = 60) -> int:
    """Publish; give how often it had to be tried."""
    end = time.monotonic() + within_s
    for attempt in range(1, 1_000_000):
        try:
            if broker.publish([Outgoing(key=queue, body=body.encode())]) == [True]:
                return attempt
        except BrokerUnavailableError:
            assert time.monotonic() < end
        time.sleep(0.05)
    raise AssertionError


@pytest.mark.parametrize("prefetch", [1, 10])
def test_after_a_cut_connection_the_subscription_is_back_and_the_unacknowledged_come_again(
    fragile: Broker, direct: Broker, proxy: TcpProxy, live: str, names: Names, prefetch: int
) -> None:
    send(direct, live, *"1234")
    subscription = fragile.subscribe([live, names.work("salt", "bulk")], prefetch)
    (first,) = gather(subscription, 1)
    subscription.ack([first])
    (second,) = gather(subscription, 1)
    assert second.body == b"2"
    fragile.depth(live)  # a round trip later the ack is out
    accepted = proxy.accepted
    proxy.cut()
    assert eventually(lambda: proxy.accepted > accepted)
    (again,) = gather(subscription, 1)
    assert (again.body, again.redelivered) == (b"2", True)
    subscription.ack([second])  # of the dead channel: says nothing about the new one
    subscription.reject([second], "of the dead channel")
    subscription.ack([again])
    rest = []
    for _ in range(2):
        rest += gather(subscription, 1)
        subscription.ack(rest)
    assert [each.body for each in rest] == [b"3", b"4"]
    assert subscription.take(1, 0.3) == []
    assert direct.depth(names.dead) == 0


def test_a_pause_lasts_over_a_lost_connection(fragile: Broker, direct: Broker, proxy: TcpProxy, live: str) -> None:
    subscription = fragile.subscribe([live], 10)
    subscription.pause()
    accepted = proxy.accepted
    proxy.cut()
    assert eventually(lambda: proxy.accepted > accepted)
    send(direct, live, "1")
    assert subscription.take(1, 1) == []
    proxy.refuse()
    subscription.resume()
    proxy.admit()
    assert len(gather(subscription, 1)) == 1


def test_publishing_fails_while_the_broker_is_away_and_works_again_after(
    fragile: Broker, proxy: TcpProxy, live: str
) -> None:
    send(fragile, live, "1")
    assert fragile.ready()
    proxy.refuse()
    with pytest.raises(BrokerUnavailableError, match=str(proxy.port)):
        for _ in range(3):
            fragile.publish([Outgoing(key=live, body=b"2")])
    assert eventually(lambda: not fragile.ready())
    proxy.admit()
    assert publish_until_it_works(fragile, live, "3") >= 1
    assert eventually(fragile.ready)


def test_a_stalled_connection_makes_publish_give_up_in_time(fragile: Broker, proxy: TcpProxy, live: str) -> None:
    send(fragile, live, "1")
    proxy.stall()
    begin = time.monotonic()
    with pytest.raises(BrokerUnavailableError, match="no answer within 3 s"):
        fragile.publish([Outgoing(key=live, body=b"2")])
    assert 2.5 < time.monotonic() - begin < 30
    proxy.flow()
    publish_until_it_works(fragile, live, "3")


def test_a_broker_that_was_away_at_the_start_is_found_later(
    rabbit: RabbitServer, proxy: TcpProxy, names: Names
) -> None:
    proxy.refuse()
    broker = connect(f"amqp://127.0.0.1:{proxy.port}", user=rabbit.user, password=rabbit.password, timeout_s=0.5)
    with pytest.raises(BrokerUnavailableError):
        broker.declare(names.topology([]))
    with pytest.raises(BrokerUnavailableError):
        broker.subscribe([names.dead], 1)
    assert not broker.ready()
    proxy.admit()
    assert eventually(broker.ready)
    broker.declare(names.topology([]))
    broker.close()


def test_a_blocked_connection_fails_to_publish_in_time_but_goes_on_consuming(
    direct: Broker, rabbit: RabbitServer, live: str, names: Names
) -> None:
    send(direct, live, *"12")
    subscription = direct.subscribe([live], 10)
    got = gather(subscription, 2)
    rabbit.alarm(on=True)
    try:
        for _ in range(2):
            begin = time.monotonic()
            with pytest.raises(BrokerUnavailableError, match=r"no messages at present.*memory"):
                direct.publish([Outgoing(key=names.arrivals, body=b"held")] * 10)
            assert time.monotonic() - begin < 30
        subscription.ack(got)
        subscription.pause()
        assert direct.depth(live) == 0
    finally:
        rabbit.alarm(on=False)
    publish_until_it_works(direct, names.arrivals, "after")
    assert 1 <= direct.depth(names.arrivals) <= 11, "what was given up before it was sent stays unsent"


def test_connections_closed_by_an_administrator_come_back(direct: Broker, rabbit: RabbitServer, live: str) -> None:
    subscription = direct.subscribe([live], 5)
    send(direct, live, *"123")
    (one, *_) = gather(subscription, 3)
    subscription.ack([one])
    direct.depth(live)  # a round trip later the ack is out
    assert rabbit.close_connections() >= 2
    again = gather(subscription, 2)
    assert [(each.body, each.redelivered) for each in again] == [(b"2", True), (b"3", True)]
    publish_until_it_works(direct, live, "4")


def test_everything_comes_back_after_the_broker_was_killed_and_wiped(
    direct: Broker, rabbit: RabbitServer, live: str, names: Names
) -> None:
    worker = connect(rabbit.url, user=rabbit.user, password=rabbit.password, timeout_s=3)
    control = names.control("w1")
    worker.declare(Topology(exchanges={}, queues=(Queue(name=control, exclusive=True),), dead=names.dead))
    subscriptions = [worker.subscribe([control], 0), worker.subscribe([live], 1), direct.subscribe([names.dead], 5)]
    send(direct, live, "1")
    (held,) = gather(subscriptions[1], 1)

    rabbit.kill()
    rabbit.start()
    assert eventually(lambda: worker.ready() and direct.ready())
    (again,) = gather(subscriptions[1], 1)
    assert (again.body, again.redelivered) == (held.body, True)

    rabbit.wipe()
    for queue, subscription in zip((control, live, names.dead), subscriptions, strict=True):
        publish_until_it_works(direct, queue, queue)
        assert [each.body.decode() for each in gather(subscription, 1)] == [queue]
    worker.close()


def test_a_deleted_queue_is_declared_again(direct: Broker, rabbit: RabbitServer, live: str, names: Names) -> None:
    subscription = direct.subscribe([live], 5)
    rabbit.delete(names.prefix)
    publish_until_it_works(direct, live, "1")
    publish_until_it_works(direct, names.arrivals, "2")
    assert [each.body for each in gather(subscription, 1)] == [b"1"]


@pytest.mark.parametrize("prefetch", [1, 10])
def test_a_subscription_outlasts_an_error_that_nobody_thought_of(
    direct: Broker, live: str, names: Names, monkeypatch: pytest.MonkeyPatch, prefetch: int
) -> None:
    subscription = direct.subscribe([live, names.work("salt", "bulk")], prefetch)
    fetch, ask = Channel.get, Channel.call
    fetches, calls = iter([True]), iter([True, True])

    async def get(channel: Channel, queue: str) -> object:
        if next(fetches, False):
            raise ValueError("nobody thought of this in a fetch")
        return await fetch(channel, queue)

    async def call(channel: Channel, method: str, **arguments: object) -> object:
        if method in ("queue_declare", "basic_qos") and next(calls, False):
            raise ValueError("nobody thought of this in subscribing")
        return await ask(channel, method, **arguments)

    monkeypatch.setattr(Channel, "get", get)
    monkeypatch.setattr(Channel, "call", call)
    if prefetch > 1:
        assert isinstance(subscription, RabbitSubscription)
        subscription._io.soon(subscription._give_up)
    for text in "12":
        send(direct, live, text)
        (got,) = gather(subscription, 1)
        assert got.body == text.encode()
        subscription.ack([got])
    assert next(calls, None) is None


def test_a_message_that_cannot_be_encoded_leaves_the_count_of_the_others_right(direct: Broker, live: str) -> None:
    send(direct, live, "1")
    for key in ("x" * 300, "\udce9"):
        with pytest.raises(BrokerUnavailableError):
            direct.publish([Outgoing(key=live, body=b"before"), Outgoing(key=key, body=b"bad")])
        assert direct.publish([Outgoing(key=live, body=b"2"), Outgoing(key="nowhere", body=b"3")]) == [True, False]
    assert isinstance(direct, RabbitBroker)
    assert open_channels(direct) == 1


def consuming(direct: Broker, names: Names, monkeypatch: pytest.MonkeyPatch) -> tuple[Subscription, list[str]]:
    """Give a subscription that fetches one message at a time, and note when it begins and ends to consume."""
    said = list[str]()
    for method in ("start", "stop"):
        whole = getattr(Consumers, method)

        async def noted(self: Consumers, method: str = method, whole: Any = whole) -> None:
            await whole(self)
            said.append(method)

        monkeypatch.setattr(Consumers, method, noted)
    subscription = direct.subscribe([names.work("salt", "live"), names.work("salt", "bulk")], prefetch=1)
    wait_until(lambda: said == ["start"], 30, "it waits for messages")
    return subscription, said


def test_messages_that_come_one_by_one_and_are_done_at_once_need_no_new_consumers(
    direct: Broker, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription, said = consuming(direct, names, monkeypatch)

    def ten_messages() -> int:
        before = said.count("start")
        for n in range(10):
            send(direct, names.work("salt", "live" if n % 2 else "bulk"), f"{n}")
            (delivery,) = gather(subscription, 1)
            subscription.ack([delivery])
        return said.count("start") - before

    assert any(ten_messages() < 5 for _ in range(10)), "a busy machine takes more than 20 ms once in a while"


def test_while_a_message_is_being_dealt_with_no_other_is_held(
    direct: Broker, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription, said = consuming(direct, names, monkeypatch)
    send(direct, names.work("salt", "live"), "long")
    (long,) = gather(subscription, 1)
    wait_until(lambda: said[-1] == "stop", 30, "it consumes no more")
    send(direct, names.work("salt", "bulk"), "next")
    other = direct.subscribe([names.work("salt", "live"), names.work("salt", "bulk")], prefetch=1)
    (taken,) = gather(other, 1)
    assert taken.body == b"next"
    subscription.ack([long])
    other.ack([taken])


def test_subscriptions_that_follow_each_other_quickly_cost_no_connection(
    fragile: Broker, direct: Broker, proxy: TcpProxy, names: Names
) -> None:
    """As a worker does while a lane is paused and resumed: it subscribes anew, then leaves what it had."""
    queues = [names.work("salt", "live"), names.work("salt", "bulk")]
    send(direct, queues[0], "first")
    subscription = fragile.subscribe(queues, prefetch=1)
    connections = proxy.accepted
    seen = 0
    for n in range(100):
        send(direct, queues[n % 2], str(n))
        seen += len(got := gather(subscription, 1))
        following = fragile.subscribe(queues[: 1 + n % 2], prefetch=1)
        subscription.ack(got)  # it has room again, and its channel is being closed
        subscription.close()
        subscription = following
    assert proxy.accepted == connections
    assert seen == 100


def open_channels(broker: RabbitBroker) -> int:
    """Count the channels over which this connection publishes."""
    connection = broker._publishing._connection
    eventually(lambda: len(connection._channels) <= 1, 10)
    return len(connection._channels)


def test_a_channel_that_the_broker_closes_takes_nothing_else_along(direct: Broker, live: str, names: Names) -> None:
    subscription = direct.subscribe([live], 5)
    failures: list[BaseException] = []

    def provoke() -> None:
        for _ in range(20):
            try:
                direct.depth(f"{names.prefix}.nowhere")
            except BrokerRefusedError as error:
                failures.append(error)

    thread = threading.Thread(target=provoke)
    thread.start()
    for n in range(200):
        send(direct, live, str(n))
        (got,) = gather(subscription, 1)
        assert not got.redelivered
        subscription.ack([got])
    thread.join()
    assert len(failures) == 20


def test_a_wrong_password_is_one_clear_error_and_no_secret_is_logged(
    rabbit: RabbitServer, names: Names, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "pika")
    begin = time.monotonic()
    wrong = connect(rabbit.url, user="headframe", password="wr0ng-s3cret")
    with pytest.raises(BrokerRefusedError, match="refuses user 'headframe': wrong user name or password") as raised:
        wrong.depth(names.dead)
    assert time.monotonic() - begin < 15
    right = connect(rabbit.url, user=rabbit.user, password=rabbit.password)
    right.declare(names.topology([]))
    send(right, names.dead, "1")
    with pytest.raises(BrokerRefusedError, match="no such virtual host"):
        connect(rabbit.url + "nowhere", user=rabbit.user, password=rabbit.password).depth(names.dead)
    said = caplog.text + repr(wrong) + repr(right) + str(raised.value) + repr(vars(right))
    assert "refuses user" in caplog.text
    for secret in ("wr0ng-s3cret", rabbit.password):
        assert secret not in said
    wrong.close()
    right.close()


def test_credentials_in_a_url_are_refused_without_repeating_them() -> None:
    with pytest.raises(ValueError, match="give user and password by themselves") as raised:
        connect("amqp://me:s3cret@broker/")
    assert "s3cret" not in str(raised.value)
    with pytest.raises(ValueError, match="allowed are memory:, amqp:// and amqps://"):
        connect("http://broker/")


def test_a_broker_answers_over_tls_to_who_knows_its_authority(rabbit: RabbitServer, names: Names) -> None:
    if not rabbit.tls:
        pytest.skip("no openssl here to make a certificate")
    tls = Tls(cafile=str(rabbit.cafile))
    broker = connect(rabbit.tls_url, user=rabbit.user, password=rabbit.password, tls=tls)
    broker.declare(names.topology([]))
    send(broker, names.dead, "1")
    broker.close()
    stranger = connect(rabbit.tls_url, user=rabbit.user, password=rabbit.password, timeout_s=1)
    assert eventually(lambda: "certificate" in trouble(stranger, names.dead))
    stranger.close()


def trouble(broker: Broker, queue: str) -> str:
    """Give why a broker cannot be asked."""
    with pytest.raises(BrokerUnavailableError) as raised:
        broker.depth(queue)
    return str(raised.value).lower()


def test_the_next_host_of_a_cluster_is_tried(rabbit: RabbitServer, proxy: TcpProxy, names: Names) -> None:
    proxy.refuse()
    url = f"amqp://127.0.0.1:{proxy.port},127.0.0.1:{rabbit.port}/"
    broker = connect(url, user=rabbit.user, password=rabbit.password, timeout_s=30)
    broker.declare(names.topology([]))
    broker.close()


def publish_all(broker: Broker, queue: str, bodies: list[bytes], pause_s: float) -> None:
    """Publish each until it is confirmed, some at a time."""
    for start in range(0, len(bodies), 20):
        left = [Outgoing(key=queue, body=body) for body in bodies[start : start + 20]]
        while left:
            with contextlib.suppress(BrokerUnavailableError):
                confirmed = broker.publish(left)
                left = [message for message, ok in zip(left, confirmed, strict=True) if not ok]
        time.sleep(pause_s)


def settle_somehow(subscription: Subscription, got: list[Delivery], dice: random.Random) -> None:
    """Acknowledge, mostly."""
    pick = dice.random()
    if pick < 0.05:
        subscription.give_back(got)
        return
    if pick < 0.1:
        subscription.pause()
    subscription.ack(got)
    subscription.resume()


@pytest.mark.parametrize(("prefetch", "number"), [(1, 200), (200, 800)])
def test_connections_cut_at_random_moments_lose_nothing(
    fragile: Broker, direct: Broker, proxy: TcpProxy, live: str, names: Names, prefetch: int, number: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    subscription = fragile.subscribe([live, names.work("salt", "bulk")], prefetch)
    wanted = {str(n).encode() for n in range(number)}
    publisher = threading.Thread(target=publish_all, args=[fragile, live, sorted(wanted), 50 / number])

    def disturb() -> None:
        while publisher.is_alive():
            time.sleep(dice.uniform(0.05, 0.8))
            proxy.cut()

    disturber = threading.Thread(target=disturb)
    publisher.start()
    disturber.start()
    seen: set[bytes] = set()
    end = time.monotonic() + 150
    while seen != wanted and time.monotonic() < end:
        got = subscription.take(50, 0.5)
        seen |= {each.body for each in got}
        settle_somehow(subscription, got, dice)
    publisher.join()
    disturber.join()
    assert seen == wanted


def test_waiting_times_double_up_to_a_bound_and_differ() -> None:
    waits = [[backoff(attempt) for _ in range(50)] for attempt in range(30)]
    assert all(len(set(each)) > 1 for each in waits)
    assert max(waits[0]) <= 0.2
    assert min(waits[29]) > max(waits[3])
    assert max(waits[29]) <= 10
