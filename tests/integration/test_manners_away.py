"""Launcher, pilot and tree, whose server stands still or is not there: they wait, and leave when told to."""

import threading
from typing import Any

import pytest

from .manners_house import TOLERATED_S, House, Resident, frozen, leave_together, no_stack_traces
from .servers import wait_until

WAITS = [
    ("launcher", "web"),
    ("pilot", "rabbit"),
    pytest.param("up", "postgres", marks=pytest.mark.long),
    pytest.param("up", "rabbit", marks=pytest.mark.long),
]
ALIVE_S = 120


def begin(home: House, who: str) -> Resident:
    """Start it."""
    return home.start_pilot() if who == "pilot" else home.start(who)


def server(home: House, which: str) -> Any:
    """Give the server that stands still; a web is one of the residents."""
    if which != "web":
        return getattr(home, which)
    home.make_token()
    web = home.start("web")
    web.await_ready()
    return web


def is_alive(each: Resident) -> None:
    wait_until(lambda: each.ask("/livez")[0] == 200, ALIVE_S, f"{each.name} is alive: {each.said()}")


def leaves(each: Resident, when: str) -> None:
    took_s = leave_together([each])
    print(f"{when}: left after", took_s)
    assert max(took_s.values()) < TOLERATED_S
    no_stack_traces([each])
    assert each.said().count("did not leave in time") <= 1


@pytest.mark.parametrize(("who", "which"), WAITS)
def test_it_leaves_though_its_server_has_frozen(home: House, who: str, which: str) -> None:
    still = server(home, which)
    each = begin(home, who)
    each.await_ready(ALIVE_S)
    with frozen(still):
        threading.Event().wait(1.5)  # so that it has a question under way; no event tells of a missing answer
        is_alive(each)
        leaves(each, f"{which} frozen while it ran")


@pytest.mark.long
@pytest.mark.parametrize(("who", "which"), WAITS)
def test_it_leaves_though_its_server_was_frozen_when_it_started(home: House, who: str, which: str) -> None:
    still = server(home, which)
    with frozen(still):
        each = begin(home, who)
        is_alive(each)
        if who == "pilot":  # its workers are not there before, and it hears nothing meanwhile
            wait_until(lambda: "the pilot runs" in each.said(), ALIVE_S, f"it runs: {each.said()}")
        assert each.ask("/readyz")[0] == 503
        leaves(each, f"{which} frozen from the start")


@pytest.mark.parametrize(("who", "which"), WAITS)
def test_it_goes_on_once_its_server_does(home: House, who: str, which: str) -> None:
    still = server(home, which)
    with frozen(still):
        each = begin(home, who)
        is_alive(each)
        assert each.ask("/readyz")[0] == 503
    each.await_ready(ALIVE_S)
    leaves(each, f"{which} went on")


@pytest.mark.long
def test_a_launcher_that_is_there_before_the_pages_waits_and_says_so_once(home: House) -> None:
    home.make_token()
    launcher = home.start("launcher")
    is_alive(launcher)
    wait_until(lambda: "the service is away" in launcher.said(), 60, "it says what it waits for")
    threading.Event().wait(4)  # four rounds: a line a round would be seen
    home.start("web")
    launcher.await_ready(ALIVE_S)
    assert len([line for line in launcher.lines() if line["level"] in ("warning", "error")]) == 1
    leave_together(home.residents)


@pytest.mark.long
@pytest.mark.parametrize(("who", "proxy"), [("pilot", "to_broker"), ("up", "to_broker"), ("up", "to_database")])
def test_who_is_there_before_its_server_waits_and_says_so(home: House, who: str, proxy: str) -> None:
    line = getattr(home, proxy)
    line.refuse()
    each = begin(home, who)
    is_alive(each)
    assert each.ask("/readyz")[0] == 503
    wait_until(lambda: '"warning"' in each.said(), 60, "it says what it waits for")
    line.admit()
    each.await_ready(ALIVE_S)
    leaves(each, f"{proxy} refused at first")
