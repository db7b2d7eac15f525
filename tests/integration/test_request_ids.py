"""The id of a request: in the answer, in problems, and in log lines."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from flask.testing import FlaskClient

from headframe.statemachine.database import connect
from headframe.web.app import create_app
from headframe.web.settings import Settings


@pytest.fixture
def client(database_url: str, instance: str) -> Iterator[FlaskClient]:
    engine = connect(database_url, instance)
    yield create_app(engine, Settings(instance=instance)).test_client()
    engine.dispose()


def test_the_id_of_who_asks_comes_back_and_is_in_the_problem(client: FlaskClient) -> None:
    answer = client.get("/api/v1/runs/99999", headers={"X-Request-ID": "from-the-ingress.7"})
    assert answer.headers["X-Request-ID"] == "from-the-ingress.7"
    assert answer.mimetype == "application/problem+json"
    assert json.loads(answer.data)["request"] == "from-the-ingress.7"


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\x7fb"])
def test_who_gives_no_good_id_gets_one(client: FlaskClient, given: str) -> None:
    ids = {client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in range(2)}
    assert len(ids) == 2
    assert given not in ids


def test_what_is_logged_while_a_request_is_answered_carries_its_id(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="headframe.web"):
        client.get("/healthz")
    (line,) = (record for record in caplog.records if record.message == "request")
    assert (line.__dict__["method"], line.__dict__["path"], line.__dict__["status"]) == ("GET", "/healthz", 200)
    assert "request" not in structlog.contextvars.get_contextvars()
