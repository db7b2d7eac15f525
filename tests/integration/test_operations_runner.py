"""Large actions: accepted at once, carried out by daemons that may be killed, with progress to look at."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from headframe.daemon.sweeper.operations import Operations
from headframe.statemachine.database import connect
from headframe.statemachine.store.operating import limits

from .operators import OPERATIONS, ask, many_failed, moves, sound
from .signed import client_of, signed_app
from .small_machine import SmallMachine

ALL = {"runs": [1], "phase": "failed"}
LIMIT_S = 60.0


@pytest.fixture
def anna(machine: SmallMachine, database_url: str) -> Iterator[FlaskClient]:
    engine = connect(database_url, "headframe")
    yield client_of(signed_app(engine), "anna")
    engine.dispose()


def wait_for(client: FlaskClient, number: int, field: str, value: Any, limit_s: float = LIMIT_S) -> dict[str, Any]:
    """Look at an operation until a field is at least so large, or has this value."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        row: dict[str, Any] = client.get(f"{OPERATIONS}/{number}").get_json()
        if row[field] == value or (isinstance(value, int) and row[field] >= value):
            return row
        time.sleep(0.02)
    raise AssertionError(f"{field} is not {value} after {limit_s} s: {row}")


@contextmanager
def daemon(url: str, silent_s: float, page: int) -> Iterator["subprocess.Popen[bytes]"]:
    script = Path(__file__).with_name("operations_process.py")
    process = subprocess.Popen([sys.executable, str(script), url, str(silent_s), str(page)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_an_action_outlives_the_daemons_that_are_killed_over_it(
    machine: SmallMachine, anna: FlaskClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MANY", 100)
    many_failed(machine, 600)
    number = ask(anna, "requeue", selection=ALL).get_json()["id"]
    for done in (20, 60, 100):
        with daemon(database_url, 0.5, 20) as process:
            wait_for(anna, number, "done", done)
            process.send_signal(signal.SIGKILL)
            process.wait()
        row = anna.get(f"{OPERATIONS}/{number}").get_json()
        assert (row["status"], row["done"] % 20) == ("running", 0)
        assert row["done"] == row["changed"] == moves(machine.engine, "resolve") < 600
    with daemon(database_url, 0.5, 20):
        row = wait_for(anna, number, "status", "done")
    assert (row["done"], row["changed"], moves(machine.engine, "resolve")) == (600, 600, 600)
    assert sound(machine.engine)


def test_a_requeue_of_3000_answers_at_once_and_shows_progress(machine: SmallMachine, anna: FlaskClient) -> None:
    large(machine, anna, 3000)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_requeue_of_100000_answers_at_once_and_shows_progress(machine: SmallMachine, anna: FlaskClient) -> None:
    assert large(machine, anna, 100_000) < 1.0


def large(machine: SmallMachine, anna: FlaskClient, n: int) -> float:
    """Requeue so many files; give how long the answer took, in seconds."""
    many_failed(machine, n)
    began = time.monotonic()
    seen = ask(anna, "requeue", dry_run=True, selection=ALL).get_json()
    dry_s, began = time.monotonic() - began, time.monotonic()
    answer = ask(anna, "requeue", selection=ALL, selected=seen["selected"])
    answer_s = time.monotonic() - began
    print(f"\n{n:,} items: dry run {1000 * dry_s:.0f} ms, accepted in {1000 * answer_s:.0f} ms")
    assert (answer.status_code, answer.get_json()["total"], seen["total"]) == (202, n, n)
    stop = threading.Event()
    running = threading.Thread(target=Operations(machine.engine, "runner").run, args=(stop,))
    running.start()
    try:
        follow(anna, answer.get_json()["id"], n)
    finally:
        stop.set()
        running.join()
    assert moves(machine.engine, "resolve") == n
    return answer_s


def follow(anna: FlaskClient, number: int, n: int) -> None:
    """Print how far an operation is, ten times."""
    for part in range(1, 11):
        row = wait_for(anna, number, "done", n * part // 10, limit_s=60 + n / 100)
        left = f", {row['eta_s']:.0f} s left" if row["eta_s"] else ""
        print(f"{row['done']:,} of {row['total']:,}, {row['rate']:.0f} a second{left}")
        assert row["total"] == n
    row = wait_for(anna, number, "status", "done")
    assert (row["done"], row["changed"], row["lane"]) == (n, n, "bulk")
