"""Calls that mean harm or nothing: SQL, HTML, no UTF-8, NUL, huge numbers in every place, and too much of it."""

import http.client
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from headframe.statemachine.database import connect
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from .servers import PostgresServer
from .signed import client_of, signed_app
from .web_filled import cloned, fill

DOCUMENT = "/api/v1/openapi.json"
WORDS = {
    "SQL": "x'; drop table run; --",
    "SQL in a number": "1 or 1=1",
    "HTML": "<script>alert(1)</script>",
    "no UTF-8": "%FF%FE",
    "NUL": "a%00b",
    "long": "x" * 3000,
    "huge": "9" * 400,
    "negative": "-1",
    "other digits": "%D9%A1%C2%B2",
    "nothing": "",
    "half a character": "%ED%A0%80",
    "template": "{{7*7}}${7*7}%25s",
}
PAGES = (
    "/",
    "/?number={}",
    "/?kind={}",
    "/runs/{}",
    "/runs/1201/files?name={}",
    "/runs/1201/files?after={}",
    "/files/{}",
)


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Engine]:
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance, pool=8)
        fill(engine, runs=2, files=10)
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def app(engine: Engine) -> Flask:
    return signed_app(engine)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_of(app, "anna")


def operations(client: FlaskClient, *methods: str) -> list[tuple[str, str, dict[str, Any]]]:
    found = client.get(DOCUMENT).get_json()["paths"]
    return [(method, path, found[path][method]) for path in found for method in found[path] if method in methods]


def sound(answer: TestResponse, what: str) -> None:
    """Hold that an answer is no accident, says one line where it refuses, and is never HTML."""
    assert answer.status_code < 500, (what, answer.text)
    assert answer.mimetype in ("application/json", "application/problem+json", "application/octet-stream", "text/plain")
    if answer.status_code >= 400 and answer.data:
        detail = answer.get_json()["detail"]
        assert detail, what
        assert "\n" not in detail, what
        assert "psycopg" not in detail, what


@pytest.mark.parametrize("word", WORDS.values(), ids=list(WORDS))
def test_whatever_stands_in_a_filter_is_answered(client: FlaskClient, word: str) -> None:
    for _, path, operation in operations(client, "get"):
        address = path.replace("{", "").replace("}", "")
        for part in ("number", "item", "epoch"):
            address = address.replace(f"/{part}", "/1201")
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                asked = f"{address}?{parameter['name']}={word}"
                sound(client.get(asked), asked)
        sound(client.get(path.split("{")[0] + word), path)


@pytest.mark.parametrize("word", [*WORDS.values(), "\0", "\ud800"], ids=[*WORDS, "a real NUL", "a real half"])
def test_whatever_stands_in_a_body_is_answered(client: FlaskClient, word: str) -> None:
    for method, path, operation in operations(client, "post", "delete"):
        address = path.replace("{number}", "1201").replace("{what}", "step").replace("{name}", "x")
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        body = content.get("example") or {"reason": "because"}
        for changed in _each_replaced(body, word):
            sound(client.open(address, method=method.upper(), json=changed), f"{method} {address} {changed!r:.200}")


def _each_replaced(body: Any, word: str) -> Iterator[Any]:
    if isinstance(body, dict):
        for name in body:
            yield from (
                {**body, name: each} for each in (*_each_replaced(body[name], word), word, [word], {word: word})
            )
        yield {**body, word: word}
    elif isinstance(body, list):
        yield [word]
        yield from ([each] for each in _each_replaced(body[0], word))
    yield word


def test_nothing_of_all_that_has_reached_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from run")).scalar_one() >= 2


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("word", WORDS.values(), ids=list(WORDS))
def test_a_page_shows_what_it_is_asked_as_text(client: FlaskClient, page: str, word: str) -> None:
    answer = client.get(page.format(word))
    assert answer.status_code in (200, 302, 400, 404), answer.text
    assert "<script>alert(1)" not in answer.text


@pytest.mark.parametrize(("address", "status"), [("runs/lookup", 413), ("arrivals", 401), ("runs", 401)])
def test_only_what_detectors_send_may_be_larger_than_a_megabyte(
    engine: Engine, instance: str, address: str, status: int
) -> None:
    listener, stop = Listener(create_app(engine, Settings(instance=instance)), "127.0.0.1", 0), threading.Event()
    server = threading.Thread(target=listener.run, args=(stop,))
    server.start()
    try:
        line = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=60)
        line.request("POST", f"/api/v1/{address}", b'"' + b"x" * (2 << 20) + b'"', {"Content-Type": "application/json"})
        assert line.getresponse().status == status
        line.close()
    finally:
        stop.set()
        server.join()
