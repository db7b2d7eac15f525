"""Fixtures of the tests with a cluster."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from ..conftest import on_server
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer
from ..integration.slurm_server import Slurm
from .cluster import Cluster

Make = Callable[..., AbstractContextManager[Cluster]]


@pytest.fixture
def clusters(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, rabbit: RabbitServer) -> Make:
    """Give a maker of clusters with their centre; nothing of one is left after it."""

    @contextmanager
    def make(slurm: Slurm, **changes: Any) -> Iterator[Cluster]:
        name = f"c{secrets.token_hex(4)}"
        folder = tmp_path_factory.mktemp("cluster") / name
        on_server(postgres, f"CREATE DATABASE {name}")
        cluster = Cluster(folder, name, postgres, postgres.url_of(name), rabbit, slurm, **changes)
        try:
            cluster.upgrade()
            cluster.open()
            yield cluster
        finally:
            cluster.close()
            rabbit.delete(f"{name}.")
            rabbit.delete_policies(f"{name}-")
            on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")

    return make
