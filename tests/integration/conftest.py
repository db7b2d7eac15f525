"""Fixtures of the tests that run many parts together."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
