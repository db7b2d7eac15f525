"""Fixtures for every test: private servers, a fresh database, a fresh corner of the broker.

A server that is not installed skips the tests that need it on a laptop, and fails them where CI=true.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, TypeVar

import pytest

from .integration.rabbit_server import RabbitServer
from .integration.servers import PostgresServer, ServerMissing
from .integration.slurm_server import Slurm

Server = TypeVar("Server", PostgresServer, RabbitServer, Slurm)


def started(make: Callable[[], Server]) -> Server:
    """Make and start a server; skip the test if it is not installed, or fail it in CI."""
    try:
        server = make()
    except ServerMissing as error:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(f"CI has to have it: {error}")
        pytest.skip(str(error))
    try:
        server.start()
    except BaseException:
        server.remove()
        raise
    return server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give the session's private PostgreSQL (with `stop`, `kill`, `start` for who breaks it)."""
    server = started(PostgresServer)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """Give the URL of the private PostgreSQL's maintenance database."""
    return postgres.url


@pytest.fixture(scope="session")
def instance() -> str:
    """Give the instance (the schema's and the queues' prefix) that the template database is made for."""
    return "headframe"


@pytest.fixture(scope="session")
def database_template(postgres: PostgresServer, instance: str) -> str:
    """Make, once, the migrated database that each test gets a clone of; give its name."""
    from headframe.statemachine.database import connect, upgrade

    name = "headframe_template"
    on_server(postgres, f"CREATE DATABASE {name}")
    engine = connect(postgres.url_of(name), instance)
    upgrade(engine, instance)
    engine.dispose()  # a database with sessions cannot be cloned
    return name


@pytest.fixture
def database_url(postgres: PostgresServer, database_template: str) -> Iterator[str]:
    """Give the URL of a fresh, migrated database that vanishes after the test."""
    name = f"test_{secrets.token_hex(6)}"
    on_server(postgres, f"CREATE DATABASE {name} TEMPLATE {database_template}")
    yield postgres.url_of(name)
    on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a fresh database with nothing in it, for tests of the migrations."""
    name = f"empty_{secrets.token_hex(6)}"
    on_server(postgres, f"CREATE DATABASE {name}")
    yield postgres.url_of(name)
    on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitServer]:
    """Give the session's private RabbitMQ (with `restart`, `kill`, `wipe` for who breaks it)."""
    server = started(RabbitServer)
    yield server
    server.remove()


@pytest.fixture
def rabbit_instance(rabbit: RabbitServer) -> Iterator[str]:
    """Give an instance prefix of one's own; its queues and exchanges are deleted after the test."""
    prefix = f"t{secrets.token_hex(4)}"
    yield prefix
    rabbit.delete(f"{prefix}.")


@pytest.fixture
def start_slurm() -> Iterator[Callable[..., Slurm]]:
    """Give a starter of private SLURMs (up in a second); all that it started is ended after the test."""
    made: list[Slurm] = []

    def start(**settings: Any) -> Slurm:
        made.append(started(lambda: Slurm(**settings)))
        return made[-1]

    yield start
    for one in made:
        one.remove()


@pytest.fixture
def slurm(start_slurm: Callable[..., Slurm], monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Give a private SLURM of four nodes, and make it the one that SLURM's commands speak to in this test."""
    server = start_slurm()
    monkeypatch.setenv("SLURM_CONF", str(server.config))
    return server


def on_server(postgres: PostgresServer, statement: str) -> None:
    """Run one statement in the maintenance database."""
    import psycopg2

    with closing(psycopg2.connect(postgres.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
