"""The monitor's end point: probes and figures."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest

from headframe.daemon.config import Config
from headframe.daemon.config.model import MonitorConfig
from headframe.daemon.monitor.monitor import Monitor
from tests.integration.servers import free_ports, wait_until


def asked(port: int, path: str) -> tuple[int, str]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request("GET", path)
    answer = client.getresponse()
    return answer.status, answer.read().decode()


def config(port: int) -> Config:
    return msgspec.structs.replace(Config(), monitor=MonitorConfig(port=port))


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def monitor(port: int) -> Iterator[Monitor]:
    made = Monitor("conductor", hang_s=180)
    made.open(config(port))
    yield made
    made.close()


def test_without_a_port_nothing_listens_and_nothing_is_imported() -> None:
    monitor = Monitor("watch", hang_s=180)
    monitor.open(Config())
    monitor.needs("broker", lambda: "")
    assert not any(thread.name == "needs broker" for thread in threading.enumerate())
    monitor.close()


def test_a_hung_loop_turns_livez_to_503_with_its_name(monitor: Monitor, port: int) -> None:
    assert asked(port, "/livez")[0] == 200
    monitor.hang_s = -1
    monitor.loop("conductor live").beat()
    status, body = asked(port, "/livez")
    assert status == 503
    assert json.loads(body)["hangs"] == ["conductor live"]


def test_what_is_missing_turns_readyz_to_503_and_it_comes_back_by_itself(monitor: Monitor, port: int) -> None:
    away = threading.Event()
    away.set()
    monitor.needs("broker", lambda: "the broker does not answer" if away.is_set() else "")
    monitor.started()
    wait_until(lambda: "does not answer" in asked(port, "/readyz")[1], 30, "it says what is missing")
    assert asked(port, "/livez")[0] == 200
    away.clear()
    wait_until(lambda: asked(port, "/readyz")[0] == 200, 30, "ready again")


def test_an_errors_own_words_are_not_told_to_everybody(monitor: Monitor, port: int) -> None:
    def check() -> str:
        raise RuntimeError("password authentication failed for user anna at db.example")

    monitor.needs("database", check)
    monitor.started()
    wait_until(lambda: "looking at it failed" in asked(port, "/readyz")[1], 30, "it says that something is wrong")
    status, body = asked(port, "/readyz")
    assert (status, "RuntimeError" in body) == (503, True)
    assert "anna" not in body and "db.example" not in body


def test_a_check_that_hangs_keeps_no_probe_waiting(monitor: Monitor, port: int) -> None:
    hung = threading.Event()
    monitor.needs("database", lambda: "" if hung.wait(60) else "late")
    monitor.started()
    assert asked(port, "/readyz")[0] == 503
    hung.set()


def test_the_figures_are_those_of_the_process_and_its_loops(monitor: Monitor, port: int) -> None:
    monitor.loop("conductor live").beat()
    monitor.conducted("live", ["reports", "reports", "arrivals"], 0.01)
    status, body = asked(port, "/metrics")
    assert status == 200
    assert 'headframe_loop_seconds{loop="conductor live",role="conductor"}' in body
    assert 'headframe_conductor_messages_total{kind="reports",lane="live"} 2.0' in body
    assert 'headframe_conductor_batch_seconds_count{lane="live"} 1.0' in body
    assert "process_cpu_seconds_total" in body


def test_another_address_is_not_there(monitor: Monitor, port: int) -> None:
    assert asked(port, "/")[0] == 404


def test_a_taken_port_is_named_with_what_to_do(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match="HEADFRAME_MONITOR__PORT"):
        Monitor("sweeper", hang_s=180).open(config(port))
