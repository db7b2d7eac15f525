"""The event stream: who is told what, how soon, after how long a break; and that nothing stays when they leave."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from werkzeug.exceptions import Forbidden

from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role
from headframe.statemachine.store.access import people
from headframe.web.access import memory
from headframe.web.app import create_app
from headframe.web.live import hub, stream
from headframe.web.live.hub import Limits
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from .access_help import add_person, signed_in
from .proxy import TcpProxy
from .servers import PostgresServer, wait_until
from .web_filled import cloned, fill

BEAT_S = stream.BEAT_S
CHANGE = "update item set version = version + 1, changed_at = clock_timestamp() where run_id = {run}"


@dataclass
class Live:
    """A server that streams, the database behind it, and the way there that can be cut."""

    port: int
    engine: Engine
    way: TcpProxy
    listener: Listener
    stop: threading.Event

    def change(self, run: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(CHANGE.format(run=run)))

    def watch(self, asked: str = "", **headers: str) -> "Watching":
        return Watching(self.port, asked, headers)


class Watching:
    """One open stream, read by hand."""

    def __init__(self, port: int, asked: str, headers: dict[str, str]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"GET /live/events{asked} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        self.reader = self.socket.makefile("rb")
        self.status = int(self.reader.readline().split()[1])
        self.id = ""

    def event(self) -> tuple[str, dict[str, Any]]:
        """Read to the next event."""
        name = ""
        while line := self.reader.readline():
            key, _, value = line.decode().strip().partition(": ")
            if key == "event":
                name = value
            elif key == "id":
                self.id = value
            elif key == "data":
                return name, json.loads(value)
        return "end", {}

    def until(self, wanted: str) -> dict[str, Any]:
        while (event := self.event())[0] not in (wanted, "end"):
            pass
        assert event[0] == wanted
        return event[1]

    def close(self) -> None:
        self.reader.close()
        self.socket.close()


@pytest.fixture
def live(
    postgres: PostgresServer, database_template: str, instance: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Live]:
    monkeypatch.setattr(stream, "BEAT_S", 0.3)
    with cloned(postgres, database_template) as url:
        direct = connect(url, instance)
        fill(direct, runs=3, files=20)
        way = TcpProxy(make_url(url).port or 5432)
        engine = connect(make_url(url).set(port=way.port).render_as_string(hide_password=False), instance)
        app = create_app(engine, Settings(instance=instance))
        listener, stop = Listener(app, "127.0.0.1", 0, Limits(viewers=5, address=4)), threading.Event()
        server = threading.Thread(target=listener.run, args=(stop,))
        server.start()
        yield Live(listener.port, direct, way, listener, stop)
        stop.set()
        server.join(timeout=60)
        assert not server.is_alive()
        way.close()
        direct.dispose()
        engine.dispose()


def begun(live: Live, asked: str) -> Watching:
    """Begin to watch, and let pass that everything counts as changed at first."""
    watching = live.watch(asked)
    watching.until("change")
    watching.until("beat")
    return watching


def test_viewers_are_told_of_what_they_watch_and_of_nothing_else(live: Live) -> None:
    one, other, everything = begun(live, "?topics=run:1201"), begun(live, "?topics=runs,run:1202"), begun(live, "")
    live.change(run=1)
    assert one.until("change")["topics"] == ["run:1201"]
    assert other.until("change")["topics"] == ["runs"]
    assert everything.until("change")["topics"] == ["*"]
    live.change(run=2)
    assert other.until("change")["topics"] == ["run:1202", "runs"]
    assert [one.event()[0] for _ in range(3)] == ["beat"] * 3


def test_a_daemon_that_falls_silent_is_told_though_no_row_changes(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "COUNT_S", 0.1)
    said = "insert into process (owner, role, seen_at) values ('x', 'conductor', clock_timestamp() - interval '57 s')"
    with live.engine.begin() as connection:
        connection.execute(text(said))
    watching = begun(live, "?topics=processes")
    assert watching.until("change")["topics"] == ["processes"]


def test_many_changes_are_told_as_one(live: Live) -> None:
    watching = begun(live, "?topics=run:1201,run:1202")
    for _ in range(20):
        live.change(run=1)
        live.change(run=2)
    told = [watching.until("change") for _ in range(1)]
    live.change(run=3)
    rest = [watching.event() for _ in range(8)]
    assert len(told) + sum(name == "change" for name, _ in rest) <= 5


def test_who_was_away_is_told_of_what_came_meanwhile(live: Live) -> None:
    watching = begun(live, "?topics=run:1201")
    watching.until("beat")
    watching.close()
    live.change(run=2)
    again = live.watch("?topics=run:1201", Last_Event_ID=watching.id)
    assert [again.event()[0] for _ in range(3)] == ["beat"] * 3
    again.close()
    live.change(run=1)
    assert live.watch("?topics=run:1201", Last_Event_ID=watching.id).until("change")["topics"] == ["run:1201"]
    assert live.watch(f"?topics=run:1201&since={watching.id}").until("change")["topics"] == ["run:1201"]


def test_who_cannot_go_on_begins_anew(live: Live) -> None:
    assert live.watch("?topics=run:1201,runs", Last_Event_ID="nonsense").until("change")["topics"] == [
        "run:1201",
        "runs",
    ]


def test_viewers_are_told_that_the_database_is_away_and_what_changed_when_it_is_back(live: Live) -> None:
    watching = begun(live, "?topics=run:1201")
    live.way.refuse()
    watching.until("stale")
    live.change(run=1)
    live.way.admit()
    assert watching.until("change")["topics"] == ["run:1201"]
    watching.until("beat")


def test_one_more_than_there_is_room_for_is_asked_to_come_later(live: Live) -> None:
    watching = [begun(live, "") for _ in range(4)]
    refused = live.watch()
    assert refused.status == 503
    assert b"retry-after: 60" in [refused.reader.readline().strip().lower() for _ in range(8)]
    watching[0].close()
    wait_until(lambda: len(live.listener.application.hub.viewers) == 3, 30, "the one that left is forgotten")
    assert live.watch().status == 200


@pytest.mark.parametrize("asked", ["?topics=" + "a," * 30 + "b", "?topics=Run:1", "?topics=%00", "?topics=run:x"])
def test_topics_that_make_no_sense_are_refused(live: Live, asked: str) -> None:
    assert live.watch(asked).status in (200, 400)
    assert live.watch("?topics=run:" + "9" * 40).status == 400


def test_a_stream_carries_the_headers_that_protect(live: Live) -> None:
    watching = live.watch()
    said = b"".join(iter(watching.reader.readline, b"\r\n")).lower()
    for header in (b"content-type: text/event-stream", b"cache-control: no-store", b"x-content-type-options: nosniff"):
        assert header in said


def test_a_stream_ends_when_its_viewer_may_no_longer_look(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHECK_S", 0.5)
    watching = begun(live, "?topics=runs")

    def refuse() -> None:
        raise Forbidden

    monkeypatch.setattr("headframe.web.access.identity._check", refuse)
    assert watching.until("end") == {}
    refused = live.watch()
    assert refused.status == 403


def test_who_must_sign_in_to_look_must_sign_in_to_watch(live: Live, instance: str) -> None:
    app = create_app(live.engine, Settings(instance=instance, reading="closed"))
    listener, stop = Listener(app, "127.0.0.1", 0), threading.Event()
    server = threading.Thread(target=listener.run, args=(stop,))
    server.start()
    assert Watching(listener.port, "", {}).status in (302, 401)
    stop.set()
    server.join(timeout=60)


def test_metrics_say_how_many_watch(live: Live) -> None:
    watching = begun(live, "")
    answer = live.listener.application.flask.test_client().get("/metrics").text
    assert "headframe_web_viewers 1.0" in answer
    watching.close()


def test_nothing_stays_of_viewers_who_left(live: Live) -> None:
    begun(live, "").close()
    hub, process = live.listener.application.hub, psutil.Process()
    wait_until(lambda: not hub.viewers, 30, "all have left")
    before = process.num_fds(), threading.active_count()
    for _ in range(10):
        watching = begun(live, "?topics=runs")
        live.change(run=1)
        watching.close()
    wait_until(lambda: not hub.viewers and hub._reading is None, 30, "all have left, and nothing is asked any more")
    assert not hub.addresses
    assert process.num_fds() <= before[0] + 2
    assert threading.active_count() <= before[1]


def test_a_client_that_takes_nothing_is_dropped(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT_S", 0.0)
    monkeypatch.setattr(stream, "SLOW_S", 0.3)
    deaf = live.watch()
    hub = live.listener.application.hub
    assert deaf.status == 200
    wait_until(lambda: not hub.viewers, 60, "the deaf one is dropped")


def test_streams_end_when_the_server_stops(live: Live) -> None:
    watching = begun(live, "")
    began = time.monotonic()
    live.stop.set()
    assert watching.until("end") == {}
    assert time.monotonic() - began < 10


def test_within_a_minute_nobody_watches_with_a_session_that_was_ended(
    live: Live, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stream.CHECK_S * 1.2 + BEAT_S + memory.KEPT_S < 60
    monkeypatch.setattr(stream, "CHECK_S", 0.1)
    add_person(live.engine, "anna", Role.VIEWER)
    app = create_app(live.engine, Settings(instance=instance, reading="closed"))
    client = signed_in(app, "anna")
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    listener, stop = Listener(app, "127.0.0.1", 0), threading.Event()
    server = threading.Thread(target=listener.run, args=(stop,))
    server.start()
    watching = Watching(listener.port, "", {"Cookie": f"{cookie.key}={cookie.value}"})
    assert watching.status == 200
    with live.engine.begin() as connection:
        people.disable(connection, "anna", actor="boss")
    assert watching.until("end") == {}
    stop.set()
    server.join(timeout=60)
