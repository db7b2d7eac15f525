"""Options and fixtures of the fault suite."""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from ..conftest import on_server
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer
from .centre import Centre

Make = Callable[..., AbstractContextManager[Centre]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make faults ARGS=...` say how long, how much and which."""
    parser.addoption("--seconds", type=float, help="how long the storm of faults goes on")
    parser.addoption("--files", type=int, help="how many files go through it")
    parser.addoption("--seed", type=int, help="the seed of an earlier storm, to have it again")


@pytest.fixture
def option(request: pytest.FixtureRequest) -> Callable[[str, Any], Any]:
    """Give what the command line says, or else a default."""

    def given(name: str, default: Any) -> Any:
        said = request.config.getoption(name, default=None)
        return default if said is None else said

    return given


@pytest.fixture
def seed(option: Callable[[str, Any], Any], request: pytest.FixtureRequest) -> int:
    """Give the seed of all chance, printed, and said with a failure too, so that it can be had again."""
    chosen: int = option("seed", time.time_ns() % 1_000_000)
    said = f'seed {chosen}; the same again: make faults ARGS="-k storm --seed {chosen}"'
    print(f"\n{said}")
    request.node.add_report_section("setup", "seed", said)
    random.seed(chosen)
    return chosen


@pytest.fixture(scope="module")
def centres(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, rabbit: RabbitServer) -> Make:
    """Give a maker of centres; nothing of one is left after it, and the servers are up again."""

    @contextmanager
    def make(**changes: Any) -> Iterator[Centre]:
        name = f"f{secrets.token_hex(4)}"
        on_server(postgres, f"CREATE DATABASE {name}")
        # A killed PostgreSQL may lose what the rest of the tests lets it lose; the only truth may not.
        on_server(postgres, f"ALTER DATABASE {name} SET synchronous_commit = on")
        folder = tmp_path_factory.mktemp(name)
        centre = Centre(folder, name, postgres, postgres.url_of(name), rabbit, **changes)
        try:
            centre.upgrade()
            yield centre
        finally:
            centre.close()
            for server in (postgres, rabbit):
                if server.process is None or server.process.popen.poll() is not None:
                    server.start()
            rabbit.delete(f"{name}.")
            rabbit.delete_policies(f"{name}-")
            on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")

    return make
