"""Fixtures: a Prometheus, an Alertmanager, and whom it tells."""

from collections.abc import Iterator

import pytest

from ..integration.prometheus_server import AlertmanagerServer, PrometheusServer, Receiver
from ..integration.servers import ServerMissing
from ..integration.tree import unless_ci


@pytest.fixture
def prometheus() -> Iterator[PrometheusServer]:
    """Give a Prometheus that is not started yet."""
    try:
        server = PrometheusServer()
    except ServerMissing as error:
        unless_ci(str(error))
    yield server
    server.remove()


@pytest.fixture
def alertmanager() -> Iterator[AlertmanagerServer]:
    """Give an Alertmanager that is not started yet."""
    try:
        server = AlertmanagerServer()
    except ServerMissing as error:
        unless_ci(str(error))
    yield server
    server.remove()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a web hook that remembers what it was told."""
    made = Receiver()
    yield made
    made.close()
