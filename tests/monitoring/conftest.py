"""Fixtures: who watches an instance."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..faults.conftest import centres
from ..integration.prometheus_server import AlertmanagerServer, PrometheusServer, Receiver
from ..integration.servers import ServerMissing
from ..integration.tree import Tree, unless_ci
from .watching import Watch

__all__ = ["centres"]


@contextmanager
def watching(instance: str) -> Iterator[Watch]:
    """Give who watches an instance; nothing is started yet."""
    try:
        servers = PrometheusServer(), AlertmanagerServer(), Receiver(), Receiver()
    except ServerMissing as error:
        unless_ci(str(error))
    try:
        yield Watch(servers, instance)
    finally:
        for server in servers:
            server.remove()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Give who watches the instance `headframe`."""
    with watching("headframe") as made:
        yield made


@pytest.fixture
def tree(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Tree]]:
    """Give a maker of trees: what `headframe up` runs, in the test's process."""
    made: list[Tree] = []

    def make(**changes: object) -> Tree:
        made.append(Tree(tmp_path, database_url, **changes))
        return made[-1]

    yield make
    for one in made:
        one.close()
