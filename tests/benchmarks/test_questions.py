"""How often a page asks the database, and what it costs to make: the more questions, the slower on a busy machine."""

import statistics
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from headframe.statemachine.database import connect
from headframe.web.app import create_app
from headframe.web.settings import Settings

from ..integration.servers import PostgresServer
from ..integration.web_filled import cloned, fill
from ..statements import statements
from .cpu import Cpu

TIMES = 9
MOST = {
    "/": 15,
    "/runs/1212": 30,
    "/runs/1202": 25,
    "/files/1300": 20,
    "/status": 20,
    "/api/v1/runs/1202": 20,
    "/api/v1/runs/1202/why": 22,
}
"""A page and how many statements it may take, some more than it does. Run 1212 is under way, 1202 is done."""


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Engine]:
    with cloned(postgres, database_template) as url:
        made = connect(url, instance)
        fill(made, runs=12, files=1200)
        yield made
        made.dispose()


@pytest.fixture(scope="module")
def client(engine: Engine, instance: str) -> FlaskClient:
    return create_app(engine, Settings(instance=instance)).test_client()


@pytest.mark.parametrize("page", MOST)
def test_a_page_asks_few_questions(engine: Engine, client: FlaskClient, page: str) -> None:
    assert client.get(page).status_code == 200  # what a process asks once is asked
    with statements(engine) as asked:
        client.get(page)
    cpu, took = Cpu(engine), []
    for _ in range(TIMES):
        before = cpu.all()
        client.get(page)
        took.append(cpu.all() - before)
    print(f"{page}: {len(asked)} questions, {statistics.median(took):.0f} ms of computing")
    assert len(asked) <= MOST[page], asked
