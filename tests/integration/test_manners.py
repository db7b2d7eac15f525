"""How processes behave: they start soon, wait politely for their servers, and leave when told to."""

import contextlib
import os
import re
import subprocess
import sys
import threading

import psutil
import pytest
from sqlalchemy import text

from headframe.statemachine.database import connect

from .manners_house import TOLERATED_S, House, Resident, frozen, leave_together, no_stack_traces
from .servers import wait_until
from .yardstick import Yardstick

START_S = 2.0
"""What is promised of a start on an idle machine, by the clock and in CPU seconds; a slower processor has more of these
(`Yardstick`)."""
TREE_CPU_S = 2.5
"""The same of the whole tree, which is five processes in one."""
IN_TREE = {"HEADFRAME_BROKER__URL": "memory:", "HEADFRAME_BROKER__USER": ""}


def check_starts(residents: list[Resident], yardstick: Yardstick, most_s: float = START_S) -> None:
    """Wait until all are ready; none has used more of the processor than promised."""
    starts = {each.name: each.await_ready() for each in residents}
    slowness = yardstick.slowness()
    for name, (took, cpu_s) in starts.items():
        print(f"{name}: ready after {took:.2f} s, {cpu_s:.2f} s of CPU; this machine is {slowness:.2f} times as slow")
        assert cpu_s < most_s * slowness


@pytest.mark.long
@pytest.mark.parametrize("role", ["conductor", "sweeper", "watch", "worker", "web"])
def test_a_process_that_starts_alone_is_ready_within_two_seconds(home: House, role: str) -> None:
    """By the clock, so the quickest of three counts: `make manners` on a machine that does nothing else."""
    took = []
    for _ in range(3):
        resident = home.start(role)
        took.append(resident.await_ready()[0])
        resident.leave()
    print(f"{role} alone: ready after {min(took):.2f} s, at most {max(took):.2f}")
    assert min(took) < START_S


def test_every_process_is_soon_ready_and_leaves_when_told(home: House) -> None:
    home.make_token()
    yardstick = Yardstick()
    check_starts(home.start_all(), yardstick)
    yardstick = Yardstick()
    check_starts([home.start("launcher"), home.start_pilot()], yardstick)
    took_s = leave_together(home.residents)
    print("left after", took_s)
    assert max(took_s.values()) < TOLERATED_S
    no_stack_traces(home.residents)


def test_the_whole_tree_is_soon_ready_and_leaves_when_told(home: House) -> None:
    yardstick = Yardstick()
    check_starts([home.start("up", settings=IN_TREE)], yardstick, TREE_CPU_S)
    assert leave_together(home.residents)["up"] < TOLERATED_S


def test_a_worker_hands_a_long_step_back_before_it_leaves(home: House) -> None:
    conductor, watch, worker = (home.start(role) for role in ("conductor", "watch", "worker"))
    (home.inbox / "run7_1.raw").write_text("a raw file")
    engine = connect(home.postgres.url_of(home.direct.rpartition("/")[2]), home.instance)

    def phases() -> list[tuple[str, int]]:
        with engine.connect() as connection:
            rows = connection.execute(text(f"select phase, epoch from \"{home.instance}\".item where scope = 'file'"))
            return [(row[0], row[1]) for row in rows]

    wait_until(lambda: [phase for phase, _ in phases()] == ["executing"], 60, "the step runs")
    ((_, epoch),) = phases()
    assert worker.leave() < TOLERATED_S
    handed_back = ([("ready", epoch + 1)], [("submitted", epoch + 1)])
    wait_until(lambda: phases() in handed_back, 30, "the item is handed back, not lost")
    leave_together([conductor, watch])
    engine.dispose()


@pytest.mark.parametrize("which", ["postgres", pytest.param("rabbit", marks=pytest.mark.long)])
def test_every_process_leaves_though_a_server_is_frozen(home: House, which: str) -> None:
    residents = home.start_all()
    for each in residents:
        each.await_ready()
    with frozen(getattr(home, which)):
        threading.Event().wait(
            1.5
        )  # so that each has a question under way; no event tells of an answer that is missing
        for each in residents:
            assert each.ask("/livez")[0] == 200
        took_s = leave_together(residents)
    print(f"{which} frozen: left after", took_s)
    assert max(took_s.values()) < TOLERATED_S
    no_stack_traces(residents)


@pytest.mark.parametrize("first", ["to_broker", pytest.param("to_database", marks=pytest.mark.long)])
def test_who_is_there_before_its_servers_waits_and_says_so_once(home: House, first: str) -> None:
    proxies = [getattr(home, first), home.to_database if first == "to_broker" else home.to_broker]
    for proxy in proxies:
        proxy.refuse()
    residents = home.start_all()
    for each in residents:
        wait_until(lambda each=each: each.ask("/livez")[0] == 200, 60, f"{each.name} is alive")  # type: ignore[misc]
        assert each.ask("/readyz")[0] == 503
    threading.Event().wait(4)  # a line a second would be seen
    for proxy in proxies:
        proxy.admit()
        threading.Event().wait(1)
    for each in residents:
        each.await_ready()
    for each in residents:
        if each.name != "web":
            warned = [line for line in each.lines() if line["level"] in ("warning", "error")]
            assert 1 <= len(warned) <= 4, warned
    leave_together(residents)
    no_stack_traces(residents)


@pytest.mark.long
def test_who_waits_for_a_broker_leaves_at_once_when_told(home: House) -> None:
    home.to_broker.refuse()
    residents = [home.start(role) for role in ("conductor", "worker", "watch", "sweeper")]
    for each in residents:
        wait_until(lambda each=each: each.ask("/livez")[0] == 200, 60, f"{each.name} is alive")  # type: ignore[misc]
    assert max(leave_together(residents).values()) < TOLERATED_S


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"HEADFRAME_BROKER__USER": "nobody"}, r"wrong user name or password; look at broker\.user"),
        ({"vhost": "nowhere"}, r"no such virtual host, or no right to it; look at broker\.url"),
    ],
)
def test_a_broker_that_refuses_is_named_with_what_to_do(home: House, settings: dict[str, str], said: str) -> None:
    if "vhost" in settings:
        settings = {"HEADFRAME_BROKER__URL": f"amqp://127.0.0.1:{home.to_broker.port}/nowhere"}
    worker = home.start("worker", settings=settings)
    assert worker.process.popen.wait(60) == 1
    assert re.search(said, worker.said())
    no_stack_traces([worker])


def test_a_missing_schema_is_waited_for_and_named_with_what_to_do(house: House) -> None:
    residents = [house.start(role) for role in ("conductor", "sweeper")]
    for each in residents:
        wait_until(lambda each=each: "headframe db upgrade" in each.said(), 60, f"{each.name} says so: {each.said()}")  # type: ignore[misc]
        assert each.ask("/livez")[0] == 200
        assert each.ask("/readyz")[0] == 503
    house.command("db", "upgrade")
    for each in residents:
        each.await_ready()
    leave_together(residents)
    no_stack_traces(residents)


@pytest.mark.long
def test_a_database_that_lets_nobody_in_is_waited_for_and_named_with_what_to_do(home: House) -> None:
    (home.folder / "database.password").write_text("wrong-secret-word")
    conductor = home.start("conductor")
    wait_until(lambda: "database.password_file" in conductor.said(), 60, "it says where to look")
    assert conductor.leave() < TOLERATED_S
    assert "wrong-secret-word" not in conductor.said()
    no_stack_traces([conductor])


@pytest.mark.long
def test_no_password_is_in_a_log_or_on_a_command_line(home: House) -> None:
    secrets = {home.password, home.rabbit.password}
    in_url = home.direct.replace("://headframe@", f"://headframe:{home.password}@")
    residents = home.start_all()
    residents.append(
        home.start("sweeper", settings={"HEADFRAME_DATABASE__URL": in_url, "HEADFRAME_LOG__LEVEL": "debug"})
    )
    for each in residents:
        each.await_ready()
    shown = " ".join(word for each in residents for word in psutil.Process(each.process.pid).cmdline())
    home.to_database.refuse()
    home.to_broker.refuse()
    wait_until(lambda: all(each.ask("/readyz")[0] == 503 for each in residents), 60, "all have noticed")
    leave_together(residents[:-1])
    for each in residents:
        assert not [secret for secret in secrets if secret in each.said() + shown]


def test_a_taken_port_of_the_monitor_ends_the_process_with_one_line(home: House) -> None:
    first = home.start("worker")
    first.await_ready()
    line = [sys.executable, "-m", "headframe", "--config", str(home.config), "worker"]
    env = {**os.environ, "HEADFRAME_MONITOR__PORT": str(first.port)}
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, env=env)
        assert done.returncode == 1
        assert "HEADFRAME_MONITOR__PORT" in done.stderr


def test_one_id_follows_a_file_through_every_process(home: House) -> None:
    home.config.write_text(home.config.read_text().replace("sleep 600", "cat $0"))
    residents = [home.start(role) for role in ("conductor", "watch", "worker")]
    (home.inbox / "run7_1.raw").write_text("a raw file")
    (home.inbox / "run7_2.raw").write_text("another raw file")
    wait_until(lambda: "run7_1.raw" in residents[0].said(), 60, "the file is registered")
    home.command("wait", "--for", "state=reconstructed", "file", "run7_1.raw", "--timeout", "60s")
    trace = "7/run7_1.raw"
    found = [(line, each.name) for each in residents for line in each.lines() if line.get("trace") == trace]
    found.sort(key=lambda pair: pair[0]["timestamp"])
    said = [(name, line["event"]) for line, name in found]
    assert said[0] == ("watch", "arrived")
    for each in [
        ("conductor", "registered"),
        ("conductor", "sent"),
        ("worker", "begins"),
        ("worker", "ends"),
        ("conductor", "report"),
    ]:
        assert each in said
    assert said.index(("worker", "begins")) < said.index(("worker", "ends")) < said.index(("conductor", "report"))
    assert all(line["run"] == 7 and line["file"] == "run7_1.raw" for line, _ in found)
    attempts = {line["attempt"] for line, name in found if name == "worker"}
    assert len(attempts) == 1
    assert trace in home.command("logs", "run7_1.raw")  # the job says it to the program
    leave_together(residents)
