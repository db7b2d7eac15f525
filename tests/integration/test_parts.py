"""Rendered parts are made once for all who ask, never older than what changed, and never shared with the wrong one."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from headframe.statemachine.database import connect
from headframe.web.access.identity import Identity, Role
from headframe.web.app import create_app
from headframe.web.live import parts
from headframe.web.settings import Settings

from ..statements import statements
from .web_filled import fill

RUN = "/runs/1203?part=1"
NOTHING = frozenset[str]()
HOLD = "update item set phase = 'held', version = version + 1 where run_id = 3 and phase = 'failed'"


@pytest.fixture
def engine(database_url: str, instance: str) -> Iterator[Engine]:
    made = connect(database_url, instance)
    fill(made, runs=3, files=30)
    yield made
    made.dispose()


@pytest.fixture
def app(engine: Engine, instance: str) -> Flask:
    return create_app(engine, Settings(instance=instance))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def asked(engine: Engine) -> Iterator[list[str]]:
    with statements(engine) as said:
        yield said


def test_parts_are_made_once_while_nothing_changes(app: Flask, client: FlaskClient, asked: list[str]) -> None:
    parts.of(app).heard(NOTHING)
    first = client.get(RUN)
    asked.clear()
    assert client.get(RUN).data == first.data
    assert asked == []
    parts.of(app).heard(frozenset(("run:1201", "runs")))
    client.get(RUN)
    assert asked == []
    parts.of(app).heard(frozenset(("run:1203", "runs")))
    client.get(RUN)
    assert asked


def test_nothing_is_kept_while_nobody_hears_of_changes(client: FlaskClient, asked: list[str]) -> None:
    client.get(RUN)
    asked.clear()
    client.get(RUN)
    assert asked


def test_what_this_process_changes_is_shown_at_once(app: Flask, client: FlaskClient, asked: list[str]) -> None:
    parts.of(app).heard(NOTHING)
    client.get(RUN)
    client.post("/dead-letters")
    asked.clear()
    client.get(RUN)
    assert asked


def test_only_parts_that_differ_come_again(app: Flask, client: FlaskClient, engine: Engine) -> None:
    first = client.get(RUN)
    have = {"X-Have": first.headers["X-Parts"]}
    again = client.get(RUN, headers=have)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["X-Parts"] == first.headers["X-Parts"]
    with engine.begin() as connection:
        assert connection.execute(text(HOLD)).rowcount
    changed = client.get(RUN, headers=have)
    assert changed.status_code == 200
    assert 'id="cells"' in changed.text
    assert len(changed.data) < len(first.data)


def test_those_who_ask_at_once_wait_for_one_rendering(
    app: Flask, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    parts.of(app).heard(NOTHING)
    rendering, many = threading.Event(), 8
    real = parts.keep

    def slow(markup: str, as_of: str, topics: Iterable[str]) -> parts.Shown:
        rendering.wait(2)
        return real(markup, as_of, topics)

    monkeypatch.setattr("headframe.web.live.page.parts.keep", slow)
    with ThreadPoolExecutor(many) as pool:
        answers = [pool.submit(lambda: app.test_client().get("/dead-letters?part=1").data) for _ in range(many)]
        rendering.set()
        assert len({answer.result() for answer in answers}) == 1
    assert sum("dead_letter" in statement for statement in asked) <= 3


def test_what_names_who_asks_is_shared_with_nobody(app: Flask, client: FlaskClient) -> None:
    def someone(name: str) -> bool:
        with app.test_request_context():
            from flask import g

            g.identity = Identity(name=name, roles=frozenset((Role.OPERATOR,)), how="session")
            return parts._is_for_all("<p>signed in: anna</p>") and not parts._is_for_all("<input name=csrf_token>")

    assert not someone("anna")
    assert someone("bert")


def test_a_rendering_that_fails_keeps_nobody_waiting(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.of(app).heard(NOTHING)
    monkeypatch.setattr("headframe.web.pages.dead.dead_letters", lambda *_a, **_k: 1 / 0)
    assert client.get("/dead-letters?part=1").status_code == 500
    monkeypatch.undo()
    assert client.get("/dead-letters?part=1").status_code == 200
