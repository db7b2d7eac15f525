"""A launcher and the real service: what each says, the other understands; and when nothing changes, nothing is said."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headframe.client import Client, ProblemError
from headframe.daemon.launcher.launcher import Launcher
from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from ..launcher_double import Clock, FakeBatch
from ..unit.daemon.launcher.small_cluster import configured
from .access_help import LOOSE, make_token
from .servers import PostgresServer
from .web_filled import cloned, fill


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[tuple[str, str, str]]:
    """Give the address of a filled service, a launcher's token and an operator's."""
    with cloned(postgres, database_template) as database:
        engine = connect(database, instance)
        fill(engine, runs=5, files=40)
        launcher, operator = (make_token(engine, role.value, role)[1] for role in (Role.LAUNCHER, Role.OPERATOR))
        app = create_app(engine, Settings(instance=instance, reading="closed", access=LOOSE))
        listener, stop = Listener(app, "127.0.0.1", 0), threading.Event()
        server = threading.Thread(target=listener.run, args=(stop,))
        server.start()
        yield f"http://127.0.0.1:{listener.port}", launcher, operator
        stop.set()
        server.join()
        engine.dispose()


def launched(folder: Path, client: Client, name: str, batch: FakeBatch, owner: str = "o1") -> Launcher:
    steps = ["salt", "place", "reconstruct", "catalog"]
    config = configured(folder, {"name": name}, reco={"steps": steps, "max": 3, "workers": 1, "within_s": 1})
    return Launcher(config, batch, client, owner=owner, host="login1", stop=threading.Event(), clock=batch.clock)


def test_pilots_go_through_their_lives_in_the_service(service: tuple[str, str, str], tmp_path: Path) -> None:
    url, launcher_token, operator_token = service
    clock = Clock()
    clock.now = datetime.now(UTC)
    batch = FakeBatch(clock)
    with Client(url, token=launcher_token) as client, Client(url, token=operator_token) as operator:
        launcher = launched(tmp_path, client, "main", batch)
        launcher.round()
        assert len(batch.jobs) == 3
        launcher.round()
        pilots = list(operator.pilots(launcher="main", live=True))
        assert {(pilot.status, pilot.name) for pilot in pilots} == {("pending", "reco")}
        first, second, third = (batch.find(pilot.token)[0].job for pilot in pilots)
        batch.start(first, "n[1-2]")
        batch.requeue(second)
        batch.end(third, "memory", "OUT_OF_MEMORY", "it used too much")
        operator.tell_pilot(pilots[0].id, "drain", "the node is to be rebooted")
        launcher.round()
        launcher.round()
        shown = [operator.pilot(pilot.id) for pilot in pilots]
        assert [(each.status, each.code) for each in shown] == [("running", ""), ("pending", ""), ("ended", "memory")]
        assert (shown[0].node, shown[1].restarts, shown[2].reason) == ("n[1-2]", 1, "it used too much")
        assert shown[2].usage["cpu_s"] == 60
        assert shown[0].log.endswith(f"/{pilots[0].token}-{first}.log")
        assert batch.drained == [first]
        launcher.round()
        assert launcher.book.untold() == ()
        launcher.round()
        assert launcher.book.untold() == ()


def test_another_launcher_of_the_name_waits_and_says_for_whom(service: tuple[str, str, str], tmp_path: Path) -> None:
    url, token, _ = service
    batch = FakeBatch(Clock())
    with Client(url, token=token) as client:
        launched(tmp_path, client, "twice", FakeBatch(batch.clock)).tell()
        second = launched(tmp_path, client, "twice", batch, owner="o2")
        second.round()
        assert "another launcher of this name is at work; this one waits: launcher twice runs on login1" in second.waits
        assert batch.jobs == {}


def test_a_token_that_may_only_look_is_not_let_in(service: tuple[str, str, str], tmp_path: Path) -> None:
    url, _, operator_token = service
    with Client(url, token=operator_token) as client, pytest.raises(ProblemError) as caught:
        launched(tmp_path, client, "other", FakeBatch(Clock())).run()
    assert caught.value.status == 403
