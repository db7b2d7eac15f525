"""A machine of a few files, where it is, and an empty database to restore it into."""

from pathlib import Path
from typing import Any

import pytest

from ..integration.small_machine import SmallMachine
from .place import Place


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Any:
    made = SmallMachine(database_url, tmp_path / "files")
    made.arrive(1, 1, 2, 3)
    made.through(1, 1)
    found = made.item(1, 2)
    made.submit(1, 2)
    made.say(1, 2, "start")
    assert found.epoch == 1
    yield made
    made.engine.dispose()


@pytest.fixture
def here(machine: SmallMachine, database_url: str, tmp_path: Path) -> Place:
    return Place(tmp_path / "here", database_url)


@pytest.fixture
def fresh(empty_database_url: str, tmp_path: Path) -> Place:
    return Place(tmp_path / "fresh", empty_database_url)
