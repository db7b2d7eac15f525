"""The code of before, and whole systems of it and of this one."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from ..conftest import on_server
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer
from .release import NoHistoryError, Release, commits, this, unpack
from .system import System

Make = Callable[[], AbstractContextManager[System]]


@pytest.fixture(scope="session")
def new() -> Release:
    """Give the code under test."""
    return this()


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Give the last release; without history there is none, and the test is skipped by its name."""
    try:
        return unpack(list(commits())[-1], tmp_path_factory.mktemp("release"))
    except NoHistoryError as error:
        pytest.skip(str(error))


@pytest.fixture
def systems(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, rabbit: RabbitServer) -> Make:
    """Give a maker of systems with nothing started; nothing of one is left after it."""

    @contextmanager
    def make() -> Iterator[System]:
        name = f"u{secrets.token_hex(4)}"
        on_server(postgres, f"CREATE DATABASE {name}")
        system = System(tmp_path_factory.mktemp(name), name, postgres.url_of(name), rabbit)
        try:
            yield system
        finally:
            system.close()
            rabbit.delete(f"{name}.")
            on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")

    return make
