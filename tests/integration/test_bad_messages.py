"""Bad messages on every queue, over real RabbitMQ and real processes: each a dead letter, and the work goes on."""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from headframe.consumers.broker import Broker, Names, Outgoing, connect
from headframe.consumers.messages import LARGEST
from headframe.statemachine import database

from .rabbit_server import RabbitServer
from .server_tables import server_tables
from .servers import wait_until
from .test_processes import CONFIG, Centre

FILES = 6
REPORTER = {"owner": "forger", "host": "nowhere"}


def message(kind: str, version: Any = 1, **said: Any) -> bytes:
    """Write a message as a stranger would."""
    return json.dumps({"message": kind, "version": version, **said}).encode()


def report(**outcome: Any) -> bytes:
    said = {"item": 10**15, "epoch": 1, "trigger": "fail", **outcome}
    return message("report", lane="live", reporter=REPORTER, outcomes=[said])


def work(**item: Any) -> bytes:
    """Write work that looks right, of an item that nobody knows."""
    folder = {"site": "center", "path": "attempts/none/1"}
    said = {"item": 10**15, "epoch": 1, "run": 7, "kind": "science", "name": "x", "sequence": 1, "inputs": []}
    parcel = [{**said, "folder": folder, **item}]
    names = {"step": "place", "lane": "live", "use": "place", "scope": "file", "makes": "copy", "campaign": "c"}
    return message("work", **names, lease_s=60, parcel=parcel)


BAD = {
    "nothing": b"",
    "no text": b"\x00\xff\xfe\x00",
    "no JSON": b"{'message': 'report'}",
    "another kind of JSON": b'[1, 2, {"message": "report"}]',
    "another kind of message": message("invoice"),
    "a version to come": message("report", 7, lane="live", reporter=REPORTER),
    "a version that is none": message("work", "1"),
    "wrong types": message("report", lane=5, reporter=[], outcomes={"item": "one"}),
    "deeply nested": b'{"message":"arrived","version":1,"runs":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a deeply nested object": message("arrived", runs=[{"run": 1, "source": "s", "metadata": "@"}]).replace(
        b'"@"', b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    ),
    "a NUL": report(reason="a\0b"),
    "half a surrogate": report(reason="@").replace(b"@", rb"\ud800"),
    "control characters": b'{"message":"\\u001b[2J\\u0007","version":1}',
    "a number beyond bigint": report(item=2**63),
    "a number beyond reason": report(epoch=10**40),
    "a fraction": report(item=1.5),
    "oversized": report(reason="x" * LARGEST),
}
LATE = "select count(*) from late where owner = 'forger' and cause in ('unknown-item', 'stale-epoch', 'phase-done')"


class Town(Centre):
    """A centre of real processes, its broker and database, and somebody who forges messages."""

    def __init__(self, config: Path, engine: Engine, broker: Broker, rabbit: RabbitServer, names: Names) -> None:
        super().__init__(config)
        self.engine, self.broker, self.rabbit, self.names = engine, broker, rabbit, names

    def queues(self) -> list[str]:
        """Give every queue that there is, the workers' own too."""
        return sorted(self.rabbit.queues(f"{self.names.prefix}."))

    def put(self, queue: str, *bodies: bytes, **headers: str) -> None:
        assert all(self.broker.publish([Outgoing(key=queue, body=body, headers=headers) for body in bodies]))

    def ask(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def letters(self) -> set[tuple[str, bytes]]:
        """Give queue and beginning of the body of every dead letter."""
        return {
            (row.queue, bytes(row.begin))
            for row in self.ask("select queue, substr(body, 1, 2000) as begin from dead_letter where body is not null")
        }

    def missing(self, wanted: set[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Give what should be a dead letter and is none, shortened."""
        return [(queue, body[:60]) for queue, body in sorted(wanted - self.letters())]

    def until(self, true: Any, what: str | Callable[[], str], seconds: float = 90) -> None:
        try:
            wait_until(true, seconds, "")
        except TimeoutError as error:
            raise AssertionError(f"not so: {what if isinstance(what, str) else what()}\n{self.logs()}") from error

    def all_run(self) -> bool:
        return all(process.poll() is None for process in self.running)


@pytest.fixture
def town(tmp_path: Path, empty_database_url: str, rabbit: RabbitServer, rabbit_instance: str) -> Iterator[Town]:
    config = tmp_path / "headframe.toml"
    management = f'management = "http://127.0.0.1:{rabbit.api_port}"\ndelivery_limit = 3\n'
    config.write_text(server_tables(tmp_path, rabbit_instance, empty_database_url, rabbit) + management + CONFIG)
    for folder in ("mine/inbox", "center"):
        (tmp_path / folder).mkdir(parents=True)
    engine = database.connect(empty_database_url, rabbit_instance)
    broker = connect(rabbit.url, user=rabbit.user, password=rabbit.password)
    made = Town(config, engine, broker, rabbit, Names(rabbit_instance))
    for words in (("db", "upgrade"), ("broker", "declare")):
        ended = made.command(*words)
        assert ended.returncode == 0, ended.stderr
    for name in ("conductor", "sweeper", "watch", "worker"):
        made.start(name)
    made.until(lambda: any(".control." in name for name in made.queues()), "the worker has its control queue")
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.wait()
    broker.close()
    engine.dispose()
    for name in ("work", "inbound", "dead"):
        rabbit.api("DELETE", f"/policies/%2F/{rabbit_instance}-{name}")


def catalog_a_run(town: Town, run: int) -> None:
    """Bring a run of real files through, as proof that everything works."""
    inbox = town.config.parent / "mine/inbox"
    for sequence in range(1, FILES + 1):
        (inbox / f"run{run}_{sequence}.raw").write_text(f"content {run} {sequence}")
    manifest = {"run": run, "type": "science", "closed": True, "expected": FILES}
    (inbox / f"run{run}.json").write_text(json.dumps(manifest))
    done = "select count(*) from item i join run on run.id = i.run_id where run.number = :run and i.phase = 'done'"
    town.until(lambda: town.ask(done, run=run)[0][0] == FILES + 1, f"run {run} is cataloged")


def expected(town: Town) -> set[tuple[str, bytes]]:
    """Give the letters that there have to be: of each queue each bad message, once."""
    dead = town.names.dead
    return {("" if queue == dead else queue, body[:2000]) for queue in town.queues() for body in BAD.values()}


@pytest.mark.timeout(280)
def test_every_bad_message_on_every_queue_is_a_dead_letter_and_real_work_still_flows(town: Town) -> None:
    queues = town.queues()
    assert len(queues) == 15, queues
    wanted = expected(town)
    for name, body in BAD.items():
        for queue in queues:
            town.put(queue, body)
        assert town.all_run(), name
    town.until(lambda: not town.missing(wanted), lambda: f"all bad messages are dead letters: {town.missing(wanted)}")
    assert town.letters() == wanted
    codes = {(row.code, row.dead) for row in town.ask("select distinct code, queue = '' as dead from dead_letter")}
    assert codes == {("message-unreadable", False), ("message-refused", False), ("stray", True)}
    sentences = [row.sentence for row in town.ask("select sentence from dead_letter")]
    assert all(sentence.isprintable() for sentence in sentences)
    assert town.ask("select count(*) from dead_letter where count <> 1") == [(0,)]
    large = town.ask(
        "select bool_and(octet_length(body) < 100000 and not replayable) from dead_letter where body_size > :n",
        n=LARGEST,
    )
    assert large == [(True,)]

    forge(town)
    catalog_a_run(town, 8)
    assert town.all_run()
    verified = town.command("verify", "--deep")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    replayed_again_the_same(town)
    assert town.stop() == [0] * 4, town.logs()


def forge(town: Town) -> None:
    """Send well-formed messages with invented items, epochs, owners, paths and times; nothing believes them."""
    names = town.names
    catalog_a_run(town, 7)
    (item,) = town.ask("select id, epoch, version from item where scope = 'file' order by id limit 1")
    (control,) = [queue for queue in town.queues() if ".control." in queue]
    before = town.ask("select id, version from item order by id")
    letters, (refused,) = len(town.letters()), town.ask(LATE)
    for lane in ("live", "bulk"):
        reports = names.reports(lane)
        town.put(reports, report(item=10**15), report(item=-1), report(item=item.id, epoch=item.epoch + 1000))
        town.put(reports, report(item=item.id, epoch=item.epoch, trigger="succeed"))
        beat = message("report", lane=lane, reporter=REPORTER, beats=[[item.id, item.epoch], [10**15, 1]])
        town.put(reports, beat, message("marker", lane=lane, sent_at="2999-01-01T00:00:00Z"))
    town.put(names.work("place", "live"), work())
    town.put(
        names.work("settle", "live"),
        message("settle", parcel=[{"id": 10**15, "action": "clean", "site": "?", "path": "x"}]),
    )
    town.put(control, message("drop", items=[[item.id, item.epoch], [10**15 + 1, 1]]))  # not the work above, to be done
    claimed = {"x-first-death-queue": names.work("place", "live"), "x-first-death-reason": "delivery_limit"}
    town.put(names.dead, work(), work(item=item.id, epoch=item.epoch), **claimed)
    outside = work(folder={"site": "center", "path": "../../elsewhere"})
    link = {"id": 1, "action": "link", "site": "center", "path": "a", "link": "/etc/passwd"}
    town.put(names.work("place", "bulk"), outside)
    town.put(names.work("settle", "bulk"), message("settle", parcel=[link]))
    many = [arrived(path=f"inbox/{secrets.token_hex(4000)}", sequence=n) for n in range(5)]
    town.put(names.arrivals, *many)

    town.until(lambda: town.ask(LATE) == [(refused[0] + 8,)], "what nobody knows is late")
    unknown = "select count(*) from late where item_id = 1000000000000000 and owner <> 'forger'"
    town.until(lambda: town.ask(unknown)[0][0] >= 1, "work of an item that nobody knows is done, and late")
    town.until(lambda: len(town.letters()) == letters + 4, "what leads elsewhere is a dead letter")
    long = "select count(*) from dead_letter where code = 'path-too-long'"
    town.until(lambda: town.ask(long) == [(5,)], "what no index takes is a dead letter")
    assert town.ask("select count(*) from watermark where applied_at > clock_timestamp()") == [(0,)]
    assert town.ask("select id, version from item order by id") == before
    assert not (town.config.parent.parent / "elsewhere").exists()


def arrived(**changes: Any) -> bytes:
    said = {"site": "mine", "path": "p", "name": "n", "run": 99, "sequence": 1, "size": 1, "mtime_ns": 1, **changes}
    return message("arrived", files=[said])


def replayed_again_the_same(town: Town) -> None:
    """Replay all that is bad; it is as bad as before, and no letter is added."""
    before = town.letters()
    (unreadable,) = town.ask("select count(*) from dead_letter where code = 'message-unreadable' and replayable")
    dry = town.command("dead", "replay", "--all-of", "message-unreadable", "--reason", "try", "--dry-run")
    assert f"would replay {unreadable[0]} dead letters; nothing was changed" in dry.stdout, dry.stderr
    done = town.command("dead", "replay", "--all-of", "message-unreadable", "--reason", "try", "--yes")
    assert f"asked the conductors to replay {unreadable[0]} dead letters" in done.stdout, done.stderr
    assert done.returncode == 3, "the oversized ones cannot be"
    again = "select count(*) from dead_letter where code = 'message-unreadable' and count = 2 and cleared_at is null"
    odd = "select queue, count, replays, replay_error, cleared_reason, body_size from dead_letter where count <> 2"
    town.until(lambda: town.ask(again) == [unreadable], lambda: f"all have come back, but {town.ask(odd)}")
    assert town.letters() == before
