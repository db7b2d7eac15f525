"""Fixtures of the tests that run many parts together."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headframe.statemachine.database import connect

from ..conftest import on_server
from .manners_house import House
from .rabbit_server import RabbitServer
from .servers import PostgresServer
from .small_machine import SmallMachine
from .tree import Tree
from .web_filled import Template, fill


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    """Give a machine of a few files, over a database of the test's own."""
    made = SmallMachine(database_url, tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def tree(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Tree]]:
    """Give a maker of trees: what `headframe up` runs, over a folder and a database of the test's own."""
    made: list[Tree] = []

    def make(**changes: object) -> Tree:
        made.append(Tree(tmp_path, database_url, **changes))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def house(
    tmp_path: Path, rabbit_instance: str, empty_database_url: str, postgres: PostgresServer, rabbit: RabbitServer
) -> Iterator[House]:
    """Give a house of real processes, with no schema yet."""
    made = House(tmp_path, rabbit_instance, empty_database_url, postgres, rabbit)
    yield made
    made.close()


@pytest.fixture
def home(house: House) -> House:
    """Give a house whose schema is there."""
    house.command("db", "upgrade")
    return house


@pytest.fixture(scope="session")
def filled_template(postgres: PostgresServer, database_template: str, instance: str) -> Template:
    """Make, once, a database of 20 runs of 1000 files for those who look at plans; each module gets a clone of it."""
    name = "headframe_filled"
    on_server(postgres, f"CREATE DATABASE {name} TEMPLATE {database_template}")
    engine = connect(postgres.url_of(name), instance)
    filled = fill(engine, runs=20, files=1000)
    engine.dispose()
    return Template(name, filled)
