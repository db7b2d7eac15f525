"""Each daemon is scraped at its own port: its loops, its messages, its memory are what dashboards ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headframe.daemon.monitoring.dashboards import dashboards
from headframe.daemon.monitoring.scraping import Target
from headframe.statemachine.alerting import Limits

from ..integration.manners_house import House
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer, wait_until
from .conftest import watching
from .promtool import asked, families, filled
from .watching import Watch

ROLES = ("conductor", "sweeper", "watch", "worker", "launcher")
LOOPS = {
    "conductor": {"queue depths", "dead letters", "sums"},
    "sweeper": {"sweeper", "operations", "look at alerts"},
    "watch": set[str](),
    "worker": {"worker"},
    "launcher": {"launcher"},
}
"""Some of each; a conductor has one a lane besides, a watcher one an inbox and a run database."""
OWN = ("headframe_loop_seconds", "headframe_conductor_", "process_", "up")


@pytest.fixture
def house(
    tmp_path: Path, rabbit_instance: str, empty_database_url: str, postgres: PostgresServer, rabbit: RabbitServer
) -> Iterator[House]:
    made = House(tmp_path, rabbit_instance, empty_database_url, postgres, rabbit)
    made.command("db", "upgrade")
    made.make_token()
    yield made
    made.close()


@pytest.fixture
def watch(house: House) -> Iterator[Watch]:
    with watching(house.instance) as made:
        yield made


def expressions(prefixes: tuple[str, ...]) -> set[str]:
    """Give the expressions of dashboards that read what daemons tell of themselves."""
    every = {each for _, made in dashboards("headframe") for each in asked(made)}
    return {each for each in every if any(name.startswith(prefixes) for name in families(each))}


def test_every_daemon_is_scraped_and_dashboards_have_what_they_ask_of_it(house: House, watch: Watch) -> None:
    residents = {role: house.start(role) for role in ("web", *ROLES)}
    for each in residents.values():
        each.await_ready()
    targets = [Target(role, f"127.0.0.1:{residents[role].port}") for role in ROLES]
    watch.begin(Limits(), f"127.0.0.1:{house.web_port}", targets)
    watch.scraped()
    (house.inbox / "run7_1.raw").write_text("a raw file")
    ask = watch.prometheus.get
    conducted = f'headframe_conductor_messages_total{{headframe="{house.instance}",role="conductor"}}'
    wait_until(lambda: watch.prometheus.value(f"sum({conducted})"), 60, "a message was conducted")

    for role, loops in LOOPS.items():
        found = ask("/api/v1/query", query=f'headframe_loop_seconds{{role="{role}"}}')["data"]["result"]
        assert loops <= {each["metric"]["loop"] for each in found} and found, role
        assert watch.prometheus.value(f'process_resident_memory_bytes{{role="{role}"}}'), role

    wanted = {
        filled(each).replace('headframe="headframe"', f'headframe="{house.instance}"') for each in expressions(OWN)
    }
    assert len(wanted) >= 6
    wait_until(lambda: all(watch.prometheus.value(each) is not None for each in wanted), 60, f"values of {wanted}")
    assert [rule["name"] for rule in watch.evaluated() if rule["health"] != "ok"] == []
