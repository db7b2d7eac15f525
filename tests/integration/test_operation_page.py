"""The page of one action: what it was of and how far it is; an operator leaves the rest of it undone."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from headframe.statemachine.database import connect

from .servers import PostgresServer
from .signed import client_of, signed_app
from .web_filled import cloned, fill

RUNNING = """
insert into operation (actor, action, selection, reason, total, done, changed, status, names, started_at)
values ('ada', 'resolve', '{"runs": [1201], "phase": "failed", "goes_on": "bulk"}', 'the <b>disk</b> is back', 5000,
  2000, 1990, 'running', array['a.h5', 'b.h5'], now() - interval '100 s') returning id
"""


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Engine]:
    with cloned(postgres, database_template) as url:
        made = connect(url, instance)
        fill(made, runs=2, files=10)
        yield made
        made.dispose()


@pytest.fixture
def client(engine: Engine) -> FlaskClient:
    return client_of(signed_app(engine), "bob")


@pytest.fixture
def running(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.execute(text(RUNNING)).scalar_one())


def test_it_says_of_what_why_how_far_and_until_when(client: FlaskClient, running: int) -> None:
    shown = client.get(f"/operations/{running}").text
    for said in ("run 1201", "phase failed", "the &lt;b&gt;disk&lt;/b&gt; is back", "a.h5, b.h5", "a second", "ada"):
        assert said in shown, said
    assert f'href="/operations/{running}"' in client.get("/operations").text


def test_an_operator_leaves_the_rest_undone_with_a_reason(client: FlaskClient, engine: Engine, running: int) -> None:
    assert "leave the rest undone" in client.get(f"/operations/{running}").text
    assert client.post(f"/operations/{running}", data={"reason": " "}).status_code == 400
    assert client.post(f"/operations/{running}", data={"reason": "wrong run"}).status_code == 303
    with engine.connect() as connection:
        row = connection.execute(text("select * from operation where id = :id"), {"id": running}).one()
    assert (row.status, row.why) == ("cancelled", "bob: wrong run")
    again = client.post(f"/operations/{running}", data={"reason": "again"})
    assert again.status_code == 409
    assert "is cancelled" in again.text


def test_one_that_is_not_there_is_a_404_page(client: FlaskClient) -> None:
    for number in (999_999, 2**70):
        assert client.get(f"/operations/{number}").status_code == 404
