"""The broker contract, over RabbitMQ and in memory: one suite, so that the one can stand in for the other."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from headframe.consumers.broker import (
    Broker,
    BrokerRefusedError,
    BrokerUnavailableError,
    Names,
    Outgoing,
    Queue,
    Subscription,
    Topology,
    connect,
)
from headframe.consumers.broker.rabbit_subscription import RabbitSubscription

from .broker_help import bodies, eventually, gather, gather_only, send

Connect = Callable[[], Broker]


@pytest.fixture(params=["memory", "rabbit"])
def another(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Give a function that makes one more connection to one and the same broker."""
    made: list[Broker] = []
    hub = f"memory:{secrets.token_hex(4)}"

    def make() -> Broker:
        if request.param == "memory":
            made.append(connect(hub))
        else:
            server = request.getfixturevalue("rabbit")
            made.append(connect(server.url, user=server.user, password=server.password, timeout_s=60))
        return made[-1]

    yield make
    for broker in made:
        broker.close()


@pytest.fixture
def names(request: pytest.FixtureRequest) -> Names:
    in_memory = request.node.callspec.params["another"] == "memory"
    return Names("test" if in_memory else request.getfixturevalue("rabbit_instance"))


@pytest.fixture
def broker(another: Connect, names: Names) -> Broker:
    broker = another()
    broker.declare(names.topology(["salt"]))
    return broker


@pytest.fixture
def live(names: Names) -> str:
    return names.work("salt", "live")


@pytest.fixture
def bulk(names: Names) -> str:
    return names.work("salt", "bulk")


def test_messages_come_in_the_order_they_were_published_in(broker: Broker, live: str) -> None:
    send(broker, live, *[str(n) for n in range(100)])
    got = gather(broker.subscribe([live], 0), 100)
    assert bodies(got) == [str(n) for n in range(100)]
    assert not any(each.redelivered for each in got)
    assert {each.queue for each in got} == {live}


def test_text_headers_travel_with_the_message(broker: Broker, live: str) -> None:
    broker.publish([Outgoing(key=live, body=b"1", headers={"trace": "a b ü"})])
    (got,) = gather(broker.subscribe([live], 0), 1)
    assert got.headers["trace"] == "a b ü"


def test_a_message_to_no_queue_is_not_routed(broker: Broker, names: Names, live: str) -> None:
    here, gone = Outgoing(key=live, body=b""), Outgoing(key=names.work("salt", "nowhere"), body=b"")
    assert broker.publish([here, gone, here, gone]) == [True, False, True, False]
    assert broker.publish([Outgoing(key=gone.key, body=b"", mandatory=False)]) == [True]


def test_publishing_nothing_is_no_trouble(broker: Broker) -> None:
    assert broker.publish([]) == []


def test_an_exchange_that_is_not_there_is_refused_and_publishing_goes_on(broker: Broker, live: str) -> None:
    with pytest.raises(BrokerRefusedError, match="nowhere"):
        broker.publish([Outgoing(exchange="nowhere", key=live, body=b"")])
    send(broker, live, "after")


def test_a_queue_that_is_not_there_is_refused(broker: Broker, names: Names, live: str, bulk: str) -> None:
    for ask in (broker.depth, broker.purge, lambda name: broker.subscribe([name], 1)):
        with pytest.raises(BrokerRefusedError, match="nowhere"):
            ask(f"{names.prefix}.nowhere")
    with pytest.raises(BrokerRefusedError, match="nowhere"):
        broker.subscribe([live, bulk, f"{names.prefix}.nowhere"], 1)
    assert broker.depth(live) == 0


def test_declaring_twice_is_harmless_and_declaring_otherwise_is_refused(
    broker: Broker, names: Names, live: str
) -> None:
    send(broker, live, "1")
    broker.declare(names.topology(["salt"]))
    assert broker.depth(live) == 1
    with pytest.raises(BrokerRefusedError, match=live):
        broker.declare(Topology(exchanges={}, queues=(Queue(name=live, exclusive=True),), dead=names.dead))
    with pytest.raises(BrokerRefusedError, match=names.events):
        broker.declare(Topology(exchanges={names.events: "direct"}, queues=(), dead=names.dead))
    assert broker.depth(live) == 1


def test_depth_counts_what_waits_and_purge_throws_it_away(broker: Broker, live: str) -> None:
    send(broker, live, "1", "2", "3")
    assert eventually(lambda: broker.depth(live) == 3)
    assert broker.purge(live) == 3
    assert broker.depth(live) == 0


def test_a_topic_exchange_routes_by_words(broker: Broker, names: Names) -> None:
    wanted = {"one": "run.*.cataloged", "all": "run.#", "none": "run.science", "exact": "run.science.placed"}
    queues = tuple(
        Queue(name=f"{names.prefix}.{name}", exchange=names.events, binding=binding) for name, binding in wanted.items()
    )
    broker.declare(Topology(exchanges={names.events: "topic"}, queues=queues, dead=names.dead))
    keys = ["run.science.cataloged", "run.science.placed", "run", "walk.science.placed"]
    sent = broker.publish([Outgoing(exchange=names.events, key=key, body=key.encode()) for key in keys])
    assert sent == [True, True, True, False]
    assert eventually(lambda: broker.depth(f"{names.prefix}.all") == 3)
    assert [broker.depth(queue.name) for queue in queues] == [1, 3, 0, 1]


def test_no_more_than_the_prefetch_is_out_at_once(broker: Broker, live: str) -> None:
    send(broker, live, *"123456")
    subscription = broker.subscribe([live], 2)
    first = gather_only(subscription, 2)
    assert bodies(first) == ["1", "2"]
    subscription.ack(first[:1])
    assert bodies(gather_only(subscription, 1)) == ["3"]


def test_a_prefetch_of_one_holds_over_several_queues(broker: Broker, live: str, bulk: str) -> None:
    send(broker, bulk, "b1", "b2")
    send(broker, live, "l1", "l2")
    subscription = broker.subscribe([live, bulk], 1)
    order: list[str] = []
    for _ in range(4):
        (got,) = gather_only(subscription, 1)
        assert eventually(lambda: broker.depth(live) + broker.depth(bulk) == 3 - len(order))
        order.append(got.body.decode())
        subscription.ack([got])
    assert order == ["l1", "l2", "b1", "b2"]


def test_a_message_reaches_a_subscription_that_waits_on_several_queues(broker: Broker, live: str, bulk: str) -> None:
    subscription = broker.subscribe([live, bulk], 1)
    for queue in (bulk, live, bulk, live):
        assert subscription.take(1, 0.05) == []
        send(broker, queue, queue)
        (got,) = subscription.take(1, 60)
        assert got.queue == queue
        assert not got.redelivered
        subscription.ack([got])


def test_earlier_queues_go_first(broker: Broker, live: str, bulk: str) -> None:
    send(broker, bulk, "b1", "b2")
    send(broker, live, "l1", "l2")
    subscription = broker.subscribe([live, bulk], 10)
    if isinstance(subscription, RabbitSubscription):  # which prefetches: all of them have to be here
        assert eventually(lambda: broker.depth(live) + broker.depth(bulk) == 0)
        time.sleep(0.3)
    assert bodies(subscription.take(3, 1)) == ["l1", "l2", "b1"]


def test_what_is_given_back_comes_again_first_and_marked(broker: Broker, live: str) -> None:
    send(broker, live, *"12345")
    subscription = broker.subscribe([live], 3)
    got = gather(subscription, 3)
    subscription.give_back(got)
    again = gather(subscription, 3)
    assert bodies(again) == ["1", "2", "3"]
    assert all(each.redelivered for each in again)
    subscription.ack(again)
    rest = gather(subscription, 2)
    assert bodies(rest) == ["4", "5"]
    assert not any(each.redelivered for each in rest)


def test_acks_in_any_order_and_said_twice_are_taken(broker: Broker, live: str) -> None:
    send(broker, live, *"123456")
    subscription = broker.subscribe([live], 10)
    got = gather(subscription, 6)
    subscription.ack([got[4], got[1]])
    subscription.ack([got[1], got[0]])
    subscription.give_back([got[0], got[2]])
    (again,) = gather(subscription, 1)
    assert again.body == b"3"
    subscription.close()
    assert eventually(lambda: broker.depth(live) == 3)
    assert sorted(bodies(gather(broker.subscribe([live], 10), 3))) == ["3", "4", "6"]


def test_what_is_rejected_ends_as_a_dead_letter_with_its_reason(broker: Broker, names: Names, live: str) -> None:
    broker.publish([Outgoing(key=live, body=b"bad", headers={"trace": "x"}), Outgoing(key=live, body=b"good")])
    subscription = broker.subscribe([live], 10)
    bad, good = gather(subscription, 2)
    subscription.reject([bad], "not a message Work: it says 'bad'" + "!" * 5000)
    subscription.ack([good])
    subscription.close()
    assert broker.depth(live) == 0
    (dead,) = gather(broker.subscribe([names.dead], 10), 1)
    assert dead.body == b"bad"
    assert dead.headers["headframe-reason"].startswith("not a message Work: it says 'bad'")
    assert len(dead.headers["headframe-reason"]) == 2000
    assert dead.headers["headframe-queue"] == live
    assert dead.headers["trace"] == "x"


def test_a_paused_subscription_gets_nothing_and_lets_others_have_it(
    another: Connect, broker: Broker, live: str
) -> None:
    send(broker, live, *"12345")
    subscription = broker.subscribe([live], 3)
    (held,) = gather(subscription, 1)
    subscription.pause()
    assert eventually(lambda: broker.depth(live) == 4)
    assert subscription.take(5, 0.2) == []
    other = another().subscribe([live], 10)
    rest = gather(other, 4)
    assert bodies(rest) == ["2", "3", "4", "5"]
    other.ack(rest)
    other.close()
    subscription.ack([held])
    subscription.resume()
    send(broker, live, "6")
    assert bodies(gather_only(subscription, 1)) == ["6"]


@pytest.mark.parametrize("prefetch", [1, 5])
def test_an_ack_in_a_pause_brings_no_next_message(broker: Broker, live: str, bulk: str, prefetch: int) -> None:
    send(broker, live, "1")
    send(broker, bulk, "2", "3")
    subscription = broker.subscribe([live, bulk], prefetch)
    (held,) = gather(subscription, 1)
    subscription.pause()
    subscription.pause()
    subscription.ack([held])
    assert subscription.take(5, 0.3) == []
    assert eventually(lambda: broker.depth(bulk) == 2)
    subscription.resume()
    subscription.resume()
    assert bodies(gather(subscription, 1)) == ["2"]


def test_wake_ends_a_wait(broker: Broker, live: str) -> None:
    subscription = broker.subscribe([live], 1)
    for before in (True, False):
        begin = time.monotonic()
        if before:
            subscription.wake()
        else:
            threading.Timer(0.1, subscription.wake).start()
        assert subscription.take(1, 60) == []
        assert time.monotonic() - begin < 30
    assert subscription.take(1, 0.05) == []
    send(broker, live, "1")
    assert bodies(gather(subscription, 1)) == ["1"]


def test_a_take_ends_when_the_subscription_is_closed(broker: Broker, live: str) -> None:
    subscription = broker.subscribe([live], 1)
    threading.Timer(0.1, subscription.close).start()
    begin = time.monotonic()
    assert subscription.take(1, 60) == []
    assert subscription.take(1, 60) == []
    assert time.monotonic() - begin < 30
    subscription.close()


@pytest.mark.parametrize("how", ["subscription", "connection"])
def test_what_was_not_acknowledged_is_redelivered_after_a_close(
    another: Connect, broker: Broker, live: str, how: str
) -> None:
    send(broker, live, *"123")
    first = another()
    subscription = first.subscribe([live], 3)
    got = gather(subscription, 3)
    subscription.ack(got[:1])
    (subscription if how == "subscription" else first).close()
    subscription.ack(got)  # too late: nothing happens
    again = gather_only(broker.subscribe([live], 10), 2)
    assert bodies(again) == ["2", "3"]
    assert all(each.redelivered for each in again)


def test_an_exclusive_queue_is_its_connections_own_and_goes_with_it(
    another: Connect, broker: Broker, names: Names
) -> None:
    control = names.control("w1")
    worker = another()
    worker.declare(Topology(exchanges={}, queues=(Queue(name=control, exclusive=True),), dead=names.dead))
    subscription = worker.subscribe([control], 10)
    send(broker, control, "drop")
    assert bodies(gather(subscription, 1)) == ["drop"]
    with pytest.raises(BrokerRefusedError, match="w1"):
        broker.subscribe([control], 1)
    worker.close()
    assert eventually(lambda: broker.publish([Outgoing(key=control, body=b"")]) == [False])


def test_a_closed_connection_says_so(another: Connect, broker: Broker, live: str) -> None:
    assert broker.ready()
    broker.close()
    broker.close()
    assert not broker.ready()
    with pytest.raises(BrokerUnavailableError, match="closed"):
        broker.publish([Outgoing(key=live, body=b"")])
    with pytest.raises(BrokerUnavailableError, match="closed"):
        broker.subscribe([live], 1)


def test_many_threads_publish_over_one_connection(broker: Broker, live: str, names: Names) -> None:
    nowhere = f"{names.prefix}.nowhere"

    def publish(thread: int) -> None:
        for batch in range(20):
            keys = [nowhere if place % 7 == 3 else live for place in range(25)]
            sent = broker.publish(
                [Outgoing(key=key, body=f"{thread} {batch} {place}".encode()) for place, key in enumerate(keys)]
            )
            assert sent == [key == live for key in keys]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, range(8)))
    got = bodies(gather(broker.subscribe([live], 5000), 8 * 20 * 21))
    assert len(got) == len(set(got)) == 8 * 20 * 21
    for thread in range(8):
        own = [[int(part) for part in body.split()] for body in got if body.startswith(f"{thread} ")]
        assert own == sorted(own)


def test_several_consumers_share_a_queue_and_each_message_goes_to_one(
    another: Connect, broker: Broker, live: str
) -> None:
    seen: list[str] = []
    done = threading.Event()
    subscriptions = [another().subscribe([live], 1) for _ in range(4)]

    def consume(subscription: Subscription) -> None:
        while (got := subscription.take(1, 0.3)) or not done.is_set():
            seen.extend(bodies(got))
            subscription.ack(got)

    threads = [threading.Thread(target=consume, args=[each]) for each in subscriptions]
    for thread in threads:
        thread.start()
    for n in range(0, 400, 5):
        send(broker, live, *[str(n + k) for k in range(5)])
    assert eventually(lambda: len(seen) >= 400)
    done.set()
    for thread in threads:
        thread.join()
    assert sorted(seen, key=int) == [str(n) for n in range(400)]


@pytest.mark.parametrize("prefetch", [0, 100])
def test_twenty_thousand_messages_pass_each_once(broker: Broker, live: str, bulk: str, prefetch: int) -> None:
    number = 20_000
    subscription = broker.subscribe([live, bulk], prefetch)

    def publish(queue: str) -> None:
        for start in range(0, number // 2, 500):
            send(broker, queue, *[f"{queue} {n}" for n in range(start, start + 500)])

    threads = [threading.Thread(target=publish, args=[queue]) for queue in (live, bulk)]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    while len(seen) < number and (got := subscription.take(1000, 60)):
        seen += bodies(got)
        subscription.ack(got)
    for thread in threads:
        thread.join()
    subscription.close()
    assert len(seen) == len(set(seen)) == number
    assert broker.depth(live) + broker.depth(bulk) == 0
    for queue in (live, bulk):
        assert [body for body in seen if body.startswith(f"{queue} ")] == [f"{queue} {n}" for n in range(number // 2)]


def test_a_single_queue_goes_on_with_the_next_subscription_and_loses_nothing(
    another: Connect, broker: Broker, names: Names
) -> None:
    queue = names.reports("live")
    first, second = (another().subscribe([queue, names.reports("bulk")], 40) for _ in range(2))
    send(broker, queue, *map(str, range(20)))
    got = gather(first, 10)
    first.ack(got[:5])
    assert second.take(10, 0.2) == []
    first.close()
    again = gather(second, 15)
    send(broker, queue, "later")
    assert sorted(map(int, bodies([*got[:5], *again]))) == list(range(20))
    assert bodies(gather(second, 1)) == ["later"]


def test_a_single_queue_is_left_to_the_next_subscription_in_a_pause(
    another: Connect, broker: Broker, names: Names
) -> None:
    queue = names.reports("live")
    first, second = (another().subscribe([queue], 10) for _ in range(2))
    first.pause()
    send(broker, queue, "1")
    assert bodies(gather(second, 1)) == ["1"]
    first.resume()
    send(broker, queue, "2")
    assert first.take(1, 0.2) == []
    assert bodies(gather(second, 1)) == ["2"]
