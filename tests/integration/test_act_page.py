"""Acting without scripts: the form counts, wants a reason, does it once, and refuses what has changed."""

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from headframe.statemachine.roles import Role

from .access_help import add_person, app_over, signed_in
from .servers import PostgresServer
from .web_filled import cloned, fill

RUN = 1204
FAILED = f"/act?action=requeue&run={RUN}&phase=failed&reason_code=exit-3"
HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


@pytest.fixture(scope="module")
def site(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[tuple[FlaskClient, Engine]]:
    with cloned(postgres, database_template) as url, app_over(url, instance) as (app, engine):
        fill(engine, runs=6, files=100)
        add_person(engine, "ann", Role.OPERATOR)
        yield signed_in(app, "ann"), engine


def phases(engine: Engine) -> list[str]:
    question = "select phase from item i join run r on r.id = i.run_id where number = :n and i.reason_code = 'exit-3'"
    with engine.connect() as connection:
        return list(connection.execute(text(question), {"n": RUN}).scalars())


def form(client: FlaskClient, address: str = FAILED) -> dict[str, str]:
    page = client.get(address)
    assert page.status_code == 200
    return dict(HIDDEN.findall(page.text))


def test_a_blank_reason_changes_nothing(site: tuple[FlaskClient, Engine]) -> None:
    client, engine = site
    answer = client.post("/act", data={**form(client), "reason": "  "})
    assert answer.status_code == 400
    assert phases(engine) == ["failed"] * 3


def test_what_changed_since_it_was_seen_is_refused(site: tuple[FlaskClient, Engine]) -> None:
    client, engine = site
    sent = form(client)
    with engine.begin() as connection:
        connection.execute(text("update item set version = version + 1 where phase = 'failed'"))
    answer = client.post("/act", data={**sent, "reason": "again"})
    assert answer.status_code == 409
    assert "the selection has changed" in answer.text
    assert phases(engine) == ["failed"] * 3


def test_it_is_counted_and_then_done_with_the_reason(site: tuple[FlaskClient, Engine]) -> None:
    client, engine = site
    assert "3 items to requeue" in re.sub(r"\s+", " ", client.get(FAILED).text)
    answer = client.post("/act", data={**form(client), "reason": "mended"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{RUN}")
    assert "failed" not in phases(engine)
    assert "nothing to requeue" in client.get(FAILED).text


@pytest.mark.parametrize(
    "address", ["/act", "/act?action=explode&run=1", "/act?action=hold&run=x", "/act?action=reset"]
)
def test_what_makes_no_sense_is_refused_with_a_line(site: tuple[FlaskClient, Engine], address: str) -> None:
    assert site[0].get(address).status_code == 400
