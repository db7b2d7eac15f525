"""Fixtures of the tests that run many parts together."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .manners_house import House
from .rabbit_server import RabbitServer
from .servers import PostgresServer
from .small_machine import SmallMachine
from .tree import Tree


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
