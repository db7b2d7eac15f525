"""What a conductor keeps of the broker's queues, and what hosts of services see of the sites' space."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from headframe.consumers.broker import BrokerUnavailableError, Names, Outgoing, connect
from headframe.daemon.conductor.depths import Depths
from headframe.daemon.space import Space
from headframe.statemachine import views as v
from headframe.statemachine.store.sites import SiteRow, declare

from .broker_help import eventually
from .rabbit_server import RabbitServer
from .small_machine import SmallMachine

STEPS = ("salt", "settle")


def looked(conn: Connection) -> dict[str, v.DepthRow]:
    return {row.queue.partition(".")[2]: row for row in v.depths(conn)}


@pytest.mark.parametrize("kind", ["memory", "rabbit"])
def test_depths_and_consumers_are_kept_for_each_queue(
    machine: SmallMachine, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "memory":
        names, broker = Names("deep"), connect("memory:deep")
    else:
        rabbit: RabbitServer = request.getfixturevalue("rabbit")
        names = Names(request.getfixturevalue("rabbit_instance"))
        broker = connect(rabbit.url, user=rabbit.user, password=rabbit.password)
    broker.declare(names.topology(STEPS))
    broker.publish([Outgoing(key=names.work("salt", "live"), body=b"x")] * 3)
    reader = broker.subscribe([names.arrivals], prefetch=1)
    depths = Depths(machine.engine, broker, names, STEPS, every_s=60)

    def seen() -> bool:
        machine.sql("delete from queue_depth")
        assert depths.look()
        with machine.engine.connect() as connection:
            rows = looked(connection)
        return rows["work.salt.live"].messages == 3 and rows["arrivals"].consumers == 1

    assert eventually(seen)
    assert not depths.look(), "somebody has just looked"
    with machine.engine.connect() as connection:
        rows = looked(connection)
    assert set(rows) == {
        "work.salt.live", "work.salt.bulk", "work.salt.live.large", "work.salt.bulk.large",
        "work.settle.live", "work.settle.bulk",
        "reports.live", "reports.bulk", "arrivals", "dead",
    }  # fmt: skip
    assert [rows[f"work.{name}"].kind for name in ("salt.live", "salt.live.large", "settle.live")] == [
        "work", "large", "settle",
    ]  # fmt: skip
    assert all(row.fresh for row in rows.values())
    reader.close()
    broker.close()


def test_a_queue_that_is_not_there_has_no_depth_and_does_no_harm(machine: SmallMachine) -> None:
    broker = connect("memory:shallow")
    Depths(machine.engine, broker, Names("shallow"), STEPS).look()
    with machine.engine.connect() as connection:
        assert {row.messages for row in v.depths(connection)} == {None}
    broker.close()


def test_depths_grow_old_while_the_broker_is_away(machine: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = connect("memory:away")
    broker.declare(Names("away").topology(STEPS))
    depths, stop, asked = Depths(machine.engine, broker, Names("away"), STEPS, every_s=0.01), threading.Event(), []
    depths.look()
    machine.sql("update queue_depth set at = now() - interval '5 min'")

    def away(queue: str) -> None:
        asked.append(queue)
        raise BrokerUnavailableError("gone")

    monkeypatch.setattr(broker, "held", away)
    thread = threading.Thread(target=depths.run, args=(stop,))
    thread.start()
    assert eventually(lambda: len(asked) > 2)
    stop.set()
    thread.join()
    with machine.engine.connect() as connection:
        assert not any(row.fresh for row in v.depths(connection))


def site(machine: SmallMachine, name: str) -> v.SiteRow:
    with machine.engine.connect() as connection:
        (row,) = v.sites(connection, name=name)
    return row


def test_a_host_that_sees_a_site_says_how_much_room_it_has(machine: SmallMachine, tmp_path: Path) -> None:
    with machine.engine.begin() as connection:
        declare(connection, [SiteRow(name="roomy", kind="archive", path=str(tmp_path))])
    Space(machine.engine, {}).look("roomy", str(tmp_path))
    found = site(machine, "roomy")
    assert 0 < found.space["free"] <= found.space["total"]
    assert found.share_free is not None
    assert found.space["at"]
    assert found.status == "up"


def test_a_host_without_a_site_says_nothing_of_it_and_the_one_that_had_it_says_that_it_is_gone(
    machine: SmallMachine, tmp_path: Path
) -> None:
    with machine.engine.begin() as connection:
        declare(connection, [SiteRow(name="shaky", kind="archive", path=str(tmp_path))])
    here, elsewhere = Space(machine.engine, {}), Space(machine.engine, {})
    elsewhere.host = "elsewhere"
    here.look("shaky", str(tmp_path))
    elsewhere.look("shaky", str(tmp_path / "gone"))
    assert site(machine, "shaky").status == "up"
    here.look("shaky", str(tmp_path / "gone"))
    assert (site(machine, "shaky").status, site(machine, "shaky").reason) == ("down", f"{tmp_path}/gone: is not there")
    with machine.engine.connect() as connection:
        assert "site-down" in {problem.code for problem in v.status(connection).problems}
    here.look("shaky", str(tmp_path))
    assert (site(machine, "shaky").status, site(machine, "shaky").reason) == ("up", "")


def test_a_site_that_is_nearly_full_is_a_problem(machine: SmallMachine) -> None:
    machine.sql("insert into site (name, space) values ('full', '{\"total\": 1000, \"free\": 20}')")
    with machine.engine.connect() as connection:
        (problem,) = [each for each in v.status(connection).problems if each.code == "site-full"]
    assert problem.sentence == "site full has 2.0% of its space left"


def test_a_site_with_few_inodes_left_is_a_problem_however_much_room_it_has(machine: SmallMachine) -> None:
    space = '{"total": 1000, "free": 900, "files": 200, "files_free": 2}'
    machine.sql("insert into site (name, space) values ('many', cast(:space as jsonb))", space=space)
    machine.sql(
        'insert into site (name, space) values (\'none\', \'{"total": 9, "free": 9, "files": 0, "files_free": 0}\')'
    )
    with machine.engine.connect() as connection:
        (problem,) = [each for each in v.status(connection).problems if each.code == "site-full"]
    assert problem.sentence == "site many has 1.0% of its inodes left"


def test_all_sites_are_measured_from_the_start(machine: SmallMachine, tmp_path: Path) -> None:
    with machine.engine.begin() as connection:
        declare(connection, [SiteRow(name=n, kind="archive", path=str(tmp_path)) for n in ("one", "two")])
    stop = threading.Event()
    Space(machine.engine, {"one": str(tmp_path), "two": str(tmp_path)}).start(stop)
    count = text("select count(*) from site where space ? 'free' and name in ('one', 'two')")

    def both() -> bool:
        with machine.engine.connect() as connection:
            return bool(connection.execute(count).scalar_one() == 2)

    assert eventually(both)
    stop.set()
