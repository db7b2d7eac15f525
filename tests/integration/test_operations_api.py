"""Operators' actions over REST: frozen selections, two at once, twice the same, progress, cancelling, crashes."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store.operating import limits, turn
from headframe.web.app import create_app
from headframe.web.settings import Settings

from .operators import OPERATIONS, ask, failing, moves, sound
from .signed import client_of, signed_app
from .small_machine import SmallMachine

RACES = 25


@pytest.fixture
def app(machine: SmallMachine, database_url: str) -> Iterator[Flask]:
    engine = connect(database_url, "headframe", pool=8)
    yield signed_app(engine)
    engine.dispose()


@pytest.fixture
def anna(app: Flask) -> FlaskClient:
    return client_of(app, "anna")


def test_what_a_dry_run_names_is_what_is_then_done(machine: SmallMachine, anna: FlaskClient) -> None:
    failing(machine, 5, 1, 2)
    machine.arrive(5, 3)
    selection = {"runs": [5], "scope": "file"}
    seen = ask(anna, "requeue", dry_run=True, selection=selection).get_json()
    assert (seen["total"], seen["names"], seen["status"]) == (2, ["run5_0001.h5", "run5_0002.h5"], "dry-run")
    assert moves(machine.engine, "resolve") == 0
    answer = ask(anna, "requeue", selection=selection, selected=seen["selected"])
    assert (answer.status_code, answer.get_json()["changed"], answer.get_json()["status"]) == (200, 2, "done")
    row = machine.item(5, 1)
    assert (row.phase, row.actor, row.reason) == ("ready", "anna", "because")
    assert anna.get(answer.headers["Location"]).get_json()["names"] == seen["names"]
    assert sound(machine.engine)


def test_a_selection_that_has_changed_since_is_refused_and_nothing_is_done(
    machine: SmallMachine, anna: FlaskClient
) -> None:
    failing(machine, 5, 1, 2)
    selection = {"runs": [5], "phase": "failed"}
    seen = ask(anna, "requeue", dry_run=True, selection=selection).get_json()
    machine.act(Trigger.RESOLVE, files=("run5_0002.h5",))
    answer = ask(anna, "requeue", selection=selection, selected=seen["selected"])
    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["total"]) == (409, "selection-changed", 1)
    assert machine.item(5, 1).phase == "failed"
    assert ask(anna, "requeue", selection=selection, selected=problem["selected"]).get_json()["changed"] == 1


def test_one_that_failed_again_meanwhile_is_not_the_one_that_was_seen(machine: SmallMachine, anna: FlaskClient) -> None:
    failing(machine, 5, 1)
    seen = ask(anna, "requeue", dry_run=True, selection={"runs": [5]}).get_json()
    machine.act(Trigger.RESOLVE, files=("run5_0001.h5",))
    machine.say(5, 1, "fail", reason_code="other", reason="for another reason", permanent=True)
    answer = ask(anna, "requeue", selection={"runs": [5]}, selected=seen["selected"])
    assert (answer.status_code, answer.get_json()["total"]) == (409, 1)


def test_the_order_in_which_things_are_named_does_not_matter(machine: SmallMachine, anna: FlaskClient) -> None:
    failing(machine, 5, 1, 2)
    names = ["run5_0001.h5", "run5_0002.h5"]
    seen = [
        ask(anna, "requeue", dry_run=True, selection={"files": each}).get_json()["selected"]
        for each in (names, names[::-1])
    ]
    assert seen[0] == seen[1]
    assert seen[0] != ask(anna, "requeue", dry_run=True, selection={"files": names[:1]}).get_json()["selected"]


def at_once(*calls: Callable[[], TestResponse]) -> list[TestResponse]:
    """Make calls at the same moment."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], TestResponse]) -> TestResponse:
        barrier.wait(timeout=30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [each.result(timeout=60) for each in [pool.submit(one, call) for call in calls]]


@pytest.mark.parametrize("seen_before", [False, True])
def test_of_two_operators_at_one_file_one_acts_and_the_other_is_told_who_did(
    machine: SmallMachine, app: Flask, *, seen_before: bool
) -> None:
    failing(machine, 5, 1)
    selection = {"files": ["run5_0001.h5"]}
    people = {name: client_of(app, name) for name in ("anna", "bert")}
    for turn_ in range(1, RACES + 1):
        more = {}
        if seen_before:
            seen = ask(people["anna"], "requeue", dry_run=True, selection=selection)
            more = {"selected": seen.get_json()["selected"]}
        answers = at_once(*(partial(ask, each, "requeue", selection=selection, **more) for each in people.values()))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert moves(machine.engine, "resolve") == turn_
        (lost,) = (answer.get_json() for answer in answers if answer.status_code == 409)
        winner = next(name for name, answer in zip(people, answers, strict=True) if answer.status_code == 200)
        (now,) = lost["present"]
        assert (now["file"], now["state"], now["phase"], now["trigger"]) == (
            "run5_0001.h5",
            "arrived",
            "ready",
            "resolve",
        )
        assert (now["actor"], now["reason"], now["operator"]["actor"]) == (winner, "because", winner)
        assert winner in lost["detail"]
        machine.say(5, 1, "fail", reason_code="bad", reason="broken", permanent=True)
    assert sound(machine.engine)


def test_who_did_it_is_told_also_after_the_machine_went_on(machine: SmallMachine, app: Flask) -> None:
    failing(machine, 5, 1)
    assert ask(client_of(app, "bert"), "requeue", selection={"files": ["5/1"]}).status_code == 200
    machine.submit(5, 1)
    (now,) = ask(client_of(app, "anna"), "requeue", selection={"files": ["5/1"]}).get_json()["present"]
    assert (now["phase"], now["actor"], now["operator"]["actor"]) == ("submitted", "conductor", "bert")


def test_the_same_key_twice_acts_once_also_at_the_same_time(machine: SmallMachine, app: Flask) -> None:
    failing(machine, 5, 1)
    anna, selection = client_of(app, "anna"), {"files": ["5/1"]}
    first = ask(anna, "requeue", "k1", selection=selection)
    machine.say(5, 1, "fail", reason_code="bad", reason="broken", permanent=True)
    again = ask(anna, "requeue", "k1", selection=selection)
    assert (again.status_code, again.get_json()["id"]) == (200, first.get_json()["id"])
    assert moves(machine.engine, "resolve") == 1
    both = at_once(*(lambda: ask(anna, "requeue", "k2", selection=selection) for _ in range(2)))
    assert [answer.status_code for answer in both] == [200, 200]
    assert both[0].get_json()["id"] == both[1].get_json()["id"]
    assert moves(machine.engine, "resolve") == 2


@pytest.mark.parametrize("other", [{"reason": "another"}, {"selection": {"runs": [5]}}, {"action": "hold"}])
def test_a_key_stands_for_one_action(machine: SmallMachine, anna: FlaskClient, other: dict[str, Any]) -> None:
    failing(machine, 5, 1, 2)
    assert ask(anna, "requeue", "k", selection={"files": ["5/1"]}).status_code == 200
    answer = ask(anna, **{"action": "requeue", "key": "k", "selection": {"files": ["5/1"]}, **other})
    assert answer.status_code == 409
    assert "stands for another action" in answer.get_json()["detail"]


def test_a_key_is_not_another_persons(machine: SmallMachine, app: Flask) -> None:
    failing(machine, 5, 1)
    assert ask(client_of(app, "anna"), "requeue", "k", selection={"files": ["5/1"]}).status_code == 200
    assert ask(client_of(app, "bert"), "requeue", "k", selection={"files": ["5/1"]}).status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "explode", "selection": {"runs": [5]}}, 400),
        ({"action": "requeue", "selection": {}}, 409),
        ({"action": "requeue", "selection": {"run": [5]}}, 400),
        ({"action": "requeue", "selection": {"runs": [5]}, "reason": " "}, 400),
        ({"action": "requeue", "selection": {"runs": [5]}, "reason": "\ud800"}, 400),
        ({"action": "requeue", "selection": {"runs": [5]}, "selected": "5"}, 400),
        ({"action": "requeue", "selection": {"runs": [2**70]}}, 400),
        ({"action": "requeue", "selection": {"runs": [6]}}, 404),
        ({"action": "requeue", "selection": {"files": ["'; drop table item; --"]}}, 404),
        ({"action": "requeue", "selection": {"files": ["9" * 40]}}, 404),
        ({"action": "requeue", "selection": {"files": ["\u0661\u0662/\u00b2"]}}, 404),
        ({"action": "reset", "selection": {"runs": [5]}}, 400),
        ({"action": "hold", "selection": {"runs": [5]}, "to_state": "arrived"}, 400),
        ({"action": "requeue", "selection": {"files": ["5/2"]}}, 409),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    machine: SmallMachine, anna: FlaskClient, body: dict[str, Any], status: int
) -> None:
    failing(machine, 5, 1)
    machine.arrive(5, 2)
    answer = ask(anna, **body)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.get_json()["detail"]
    assert machine.item(5, 1).phase == "failed"


def test_who_is_no_operator_changes_nothing(machine: SmallMachine, app: Flask) -> None:
    failing(machine, 5, 1)
    stranger = create_app(machine.engine, Settings(instance="headframe")).test_client()
    assert ask(stranger, "requeue", selection={"runs": [5]}).status_code in (401, 403)
    assert stranger.post(f"{OPERATIONS}/1/cancel", json={"reason": "x"}).status_code in (401, 403)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let more than 3 items be many, in pages of 2."""
    monkeypatch.setattr(limits, "MANY", 3)
    monkeypatch.setattr(limits, "PAGE", 2)


@pytest.mark.usefixtures("small")
def test_a_large_action_is_accepted_and_a_daemon_does_it_page_by_page(machine: SmallMachine, anna: FlaskClient) -> None:
    failing(machine, 5, *range(1, 6))
    answer = ask(anna, "requeue", "k", selection={"runs": [5], "scope": "file"})
    waiting = answer.get_json()
    assert (answer.status_code, waiting["status"], waiting["total"], waiting["lane"]) == (202, "waiting", 5, "bulk")
    assert moves(machine.engine, "resolve") == 0
    told = [turn(machine.engine, "runner") for _ in range(4)]
    assert [each.changed if each else None for each in told] == [2, 2, 1, None]
    done = anna.get(answer.headers["Location"]).get_json()
    assert (done["status"], done["done"], done["changed"]) == ("done", 5, 5)
    assert done["rate"] > 0
    assert {machine.item(5, n).lane for n in range(1, 6)} == {"bulk"}
    again = ask(anna, "requeue", "k", selection={"runs": [5], "scope": "file"})
    assert (again.status_code, again.get_json()["status"]) == (200, "done")
    assert sound(machine.engine)


@pytest.mark.usefixtures("small")
def test_what_was_not_selected_when_it_was_accepted_is_never_touched(machine: SmallMachine, anna: FlaskClient) -> None:
    failing(machine, 5, *range(1, 6))
    seen = ask(anna, "requeue", dry_run=True, selection={"runs": [5]}).get_json()
    answer = ask(anna, "requeue", selection={"runs": [5]}, selected=seen["selected"])
    assert answer.status_code == 202
    machine.act(Trigger.RESOLVE, files=("run5_0001.h5", "run5_0002.h5"))
    machine.say(5, 1, "fail", reason_code="other", reason="seen by nobody", permanent=True)
    failing(machine, 5, 6)
    while turn(machine.engine, "runner"):
        pass
    assert [machine.item(5, n).phase for n in range(1, 7)] == ["failed", *["ready"] * 4, "failed"]
    row = anna.get(answer.headers["Location"]).get_json()
    assert (row["status"], row["done"], row["changed"]) == ("done", 5, 3)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("action", "more"), [("hold", {}), ("cancel", {}), ("reset", {"to_state": "arrived"})])
def test_what_went_on_before_its_turn_came_is_left_alone_and_counted(
    machine: SmallMachine, anna: FlaskClient, action: str, more: dict[str, str]
) -> None:
    machine.arrive(5, *range(1, 6))
    answer = ask(anna, action, selection={"runs": [5], "scope": "file"}, **more)
    machine.submit(5, 1)
    machine.do(5, 2)
    while turn(machine.engine, "runner"):
        pass
    assert moves(machine.engine, action) == 3
    assert (machine.item(5, 1).phase, machine.item(5, 2).state) == ("submitted", "salted")
    row = anna.get(answer.headers["Location"]).get_json()
    assert (row["total"], row["done"], row["changed"], row["meanwhile"]) == (5, 5, 3, 2)
    assert "2 items had changed meanwhile and stayed as they are" in anna.get(f"/operations/{row['id']}").text
    assert sound(machine.engine)


def test_what_somebody_else_took_is_told_with_its_number_where_only_a_filter_was_given(
    machine: SmallMachine, app: Flask
) -> None:
    failing(machine, 5, 1, 2)
    selection = {"runs": [5], "phase": "failed"}
    people = [client_of(app, name) for name in ("anna", "bert")]
    for turn_ in range(1, RACES + 1):
        answers = at_once(*(partial(ask, each, "requeue", selection=selection) for each in people))
        assert [answer.status_code for answer in answers] == [200, 200]
        lost, won = sorted((answer.get_json() for answer in answers), key=lambda row: row["changed"])
        assert (won["total"], won["changed"], won["why"]) == (2, 2, "")
        assert (lost["total"], lost["changed"], lost["status"]) == (0, 0, "done")
        assert lost["why"] == "nothing to requeue: of 2 items asked for 2 are ready"
        assert moves(machine.engine, "resolve") == 2 * turn_
        for number in (1, 2):
            machine.say(5, number, "fail", reason_code="bad", reason="broken", permanent=True)


def test_with_what_a_dry_run_saw_the_second_is_refused_and_told_the_numbers(machine: SmallMachine, app: Flask) -> None:
    failing(machine, 5, 1, 2)
    selection = {"runs": [5], "phase": "failed"}
    people = [client_of(app, name) for name in ("anna", "bert")]
    seen = ask(people[0], "requeue", dry_run=True, selection=selection).get_json()["selected"]
    answers = at_once(*(partial(ask, each, "requeue", selection=selection, selected=seen) for each in people))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (lost,) = (answer.get_json() for answer in answers if answer.status_code == 409)
    assert (lost["code"], lost["total"]) == ("selection-changed", 0)
    assert "it had 2 items, it has 0 now (nothing to requeue: of 2 items asked for 2 are ready)" in lost["detail"]


@pytest.mark.usefixtures("small")
def test_a_cancelled_action_leaves_the_rest_and_keeps_what_is_done(machine: SmallMachine, anna: FlaskClient) -> None:
    failing(machine, 5, *range(1, 6))
    number = ask(anna, "requeue", selection={"runs": [5], "scope": "file"}).get_json()["id"]
    turn(machine.engine, "runner")
    dry = anna.post(f"{OPERATIONS}/{number}/cancel?dry_run=true", json={"reason": "wrong run"})
    assert dry.get_json()["status"] == "cancelled"
    assert anna.get(f"{OPERATIONS}/{number}").get_json()["status"] == "running"
    left = anna.post(f"{OPERATIONS}/{number}/cancel", json={"reason": "wrong run"}).get_json()
    assert (left["status"], left["done"], left["why"]) == ("cancelled", 2, "anna: wrong run")
    assert turn(machine.engine, "runner") is None
    assert moves(machine.engine, "resolve") == 2
    assert anna.post(f"{OPERATIONS}/{number}/cancel", json={"reason": "again"}).status_code == 409
    assert anna.post(f"{OPERATIONS}/999/cancel", json={"reason": "again"}).status_code == 404


@pytest.mark.usefixtures("small")
def test_several_daemons_share_actions_and_do_nothing_twice(machine: SmallMachine, anna: FlaskClient) -> None:
    for run in range(1, 5):
        failing(machine, run, *range(1, 6))
        assert ask(anna, "requeue", selection={"runs": [run], "scope": "file"}).status_code == 202

    def daemon(name: str) -> int:
        done = 0
        while (told := turn(machine.engine, name)) is not None:
            done += told.changed
        return done

    with ThreadPoolExecutor(3) as pool:
        done = [each.result(timeout=60) for each in [pool.submit(daemon, f"d{n}") for n in range(3)]]
    assert sum(done) == moves(machine.engine, "resolve") == 20
    assert sound(machine.engine)


@pytest.mark.usefixtures("small")
def test_what_a_dead_daemon_left_is_taken_on_by_another_but_not_at_once(
    machine: SmallMachine, anna: FlaskClient
) -> None:
    failing(machine, 5, *range(1, 6))
    number = ask(anna, "requeue", selection={"runs": [5], "scope": "file"}).get_json()["id"]
    turn(machine.engine, "dead")
    assert turn(machine.engine, "other") is None
    while turn(machine.engine, "other", silent_s=0):
        pass
    assert anna.get(f"{OPERATIONS}/{number}").get_json()["changed"] == 5
    assert moves(machine.engine, "resolve") == 5


@pytest.mark.usefixtures("small")
def test_an_action_that_cannot_go_on_fails_with_its_reason(machine: SmallMachine, anna: FlaskClient) -> None:
    failing(machine, 5, *range(1, 6))
    number = ask(anna, "requeue", selection={"runs": [5], "scope": "file"}).get_json()["id"]
    machine.sql("alter table item add constraint no_more check (phase <> 'ready') not valid")
    told = turn(machine.engine, "runner")
    assert told is not None and "no_more" in told.failed
    left = anna.get(f"{OPERATIONS}/{number}").get_json()
    assert (left["status"], left["done"]) == ("failed", 0)
    assert "no_more" in left["why"]
    assert turn(machine.engine, "runner") is None


def test_what_operators_did_is_listed_newest_first_and_filtered(machine: SmallMachine, app: Flask) -> None:
    failing(machine, 5, 1, 2, 3)
    for name, sequence in (("anna", 1), ("bert", 2), ("anna", 3)):
        ask(client_of(app, name), "requeue", selection={"files": [f"5/{sequence}"]})
    client = client_of(app, "carl")
    first = client.get(f"{OPERATIONS}?limit=2").get_json()
    second = client.get(f"{OPERATIONS}?limit=2&after={first['next']}").get_json()
    assert [row["names"] for row in (*first["rows"], *second["rows"])] == [
        ["run5_0003.h5"],
        ["run5_0002.h5"],
        ["run5_0001.h5"],
    ]
    for asked, n in (
        ("actor=anna", 2),
        ("action=requeue&status=done", 3),
        ("action=hold", 0),
        ("since=2020-01-01", 3),
        ("since=2990-01-01T00:00:00Z", 0),
    ):
        assert len(client.get(f"{OPERATIONS}?{asked}").get_json()["rows"]) == n, asked
    assert client.get(f"{OPERATIONS}?status=what").status_code == 400
    assert client.get(f"{OPERATIONS}/99999999999999999999").status_code == 404
