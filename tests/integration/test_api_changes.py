"""What operators say over REST besides actions on items: of runs, of what rests, of dead letters."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from headframe.statemachine.database import connect
from headframe.statemachine.records import Trouble
from headframe.statemachine.store.dead import bury

from .signed import client_of, signed_app
from .small_machine import SmallMachine

Post = Callable[..., TestResponse]
API = "/api/v1"


@pytest.fixture
def client(machine: SmallMachine, database_url: str) -> Iterator[FlaskClient]:
    engine = connect(database_url, "headframe", pool=8)
    yield client_of(signed_app(engine, book=machine.book), "anna")
    engine.dispose()


@pytest.fixture
def post(client: FlaskClient) -> Post:
    def send(address: str, key: str = "", dry_run: str = "false", **body: Any) -> TestResponse:
        headers = {"Idempotency-Key": key} if key else {}
        return client.post(f"{API}/{address}?dry_run={dry_run}", json={"reason": "because", **body}, headers=headers)

    return send


def run(machine: SmallMachine) -> Any:
    with machine.engine.connect() as connection:
        return connection.execute(text("select * from run where number = 1")).one()


def test_a_run_is_closed_waived_reopened_and_reclassified_with_the_words_of_the_command_line(
    machine: SmallMachine, post: Post
) -> None:
    machine.arrive(1, 1, 2)
    assert post("runs/1/close", expected=5).get_json()["done"] == "run 1 closed"
    assert run(machine).closed_by == "anna"
    said = post("runs/1/waive", files=[3, "4-5"]).get_json()
    assert (said["done"], said["changed"]) == ("run 1: 3 files declared missing: 3, 4-5", 3)
    assert post("runs/1/expect", count=6).get_json()["done"] == "run 1 expects 6 files"
    assert post("runs/1/reopen").status_code == 200
    assert post("runs/1/reclassify", kind="calibration").get_json()["changed"] == 3
    with machine.engine.connect() as connection:
        said = connection.execute(text("select operation, actor, reason from run_operation order by id")).all()
    assert [tuple(each) for each in said] == [
        (word, "anna", "because") for word in ("close", "waive", "expect", "reopen", "reclassify")
    ]


def test_a_dry_run_says_what_would_be_and_changes_nothing(machine: SmallMachine, post: Post) -> None:
    machine.arrive(1, 1)
    answer = post("runs/1/close", dry_run="true").get_json()
    assert (answer["done"], answer["dry_run"]) == ("run 1 closed", True)
    assert run(machine).closed_at is None


def test_the_same_key_twice_acts_once_and_answers_the_same(machine: SmallMachine, post: Post) -> None:
    machine.arrive(1, 1)
    first, second = post("runs/1/waive", key="k1", files=[7]), post("runs/1/waive", key="k1", files=[7])
    assert (first.status_code, first.get_json()) == (200, second.get_json())
    assert run(machine).waived == 1
    assert post("runs/1/waive", key="k1", files=[8]).status_code == 409
    assert run(machine).waived == 1


def test_what_the_state_of_a_run_forbids_is_a_409_that_says_why(machine: SmallMachine, post: Post) -> None:
    machine.arrive(1, 1)
    answer = post("runs/1/reopen")
    assert (answer.status_code, answer.get_json()["detail"]) == (409, "run 1 is open already")
    assert post("runs/77/close").status_code == 404


@pytest.mark.parametrize("reason", ["", "  \n", None, 7])
def test_a_change_without_a_reason_is_refused(machine: SmallMachine, post: Post, reason: object) -> None:
    machine.arrive(1, 1)
    assert post("runs/1/close", reason=reason).status_code == 400
    assert run(machine).closed_at is None


def test_what_is_paused_can_be_resumed_and_nothing_twice(
    machine: SmallMachine, client: FlaskClient, post: Post
) -> None:
    machine.arrive(1, 1)
    assert post("pauses", what="step", name="salt").get_json()["done"] == "step salt paused"
    assert post("pauses", what="step", name="salt").get_json()["changed"] == 0
    assert [row["name"] for row in client.get(f"{API}/pauses").get_json()["rows"]] == ["salt"]
    assert client.delete(f"{API}/pauses/step/salt").status_code == 400
    assert client.delete(f"{API}/pauses/step/salt?reason=mended").status_code == 200
    assert client.delete(f"{API}/pauses/step/salt?reason=mended").status_code == 404
    assert post("pauses", what="site", name="nowhere").status_code == 404


def test_a_worker_is_told_to_leave(machine: SmallMachine, post: Post) -> None:
    machine.alive("salt")
    with machine.engine.connect() as connection:
        owner = connection.execute(text("select owner from process where role = 'worker'")).scalar_one()
    assert post(f"workers/{owner}/drain").get_json()["changed"] == 1
    assert post("workers/nobody/drain").status_code == 404


def letters(machine: SmallMachine) -> list[int]:
    with machine.engine.begin() as connection:
        for n in (1, 2, 3):
            bury(connection, [Trouble(code="empty-file", sentence="it is empty", subject=f"a{n}", mtime_ns=n)])
        return list(connection.execute(text("select id from dead_letter order by id")).scalars())


def test_dead_letters_are_replayed_and_forgotten_one_by_one_or_by_code(
    machine: SmallMachine, client: FlaskClient, post: Post
) -> None:
    first, second, third = letters(machine)
    assert post(f"dead-letters/{first}/replay").get_json()["changed"] == 1
    assert client.get(f"{API}/dead-letters/{first}").get_json()["asked_by"] == "anna"
    assert post(f"dead-letters/{second}/forget").get_json()["changed"] == 1
    assert post("dead-letters/forget", ids=[third]).get_json()["changed"] == 1
    assert post("dead-letters/forget", dry_run="true", code="empty-file").get_json()["changed"] == 1
    assert [row["id"] for row in client.get(f"{API}/dead-letters").get_json()["rows"]] == [first]
    assert post("dead-letters/4711/replay").status_code == 404
    assert post("dead-letters/replay").status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b'{"reason": "a\\u0000b"}', b'{"reason": "\\ud800"}', b'{"reason": NaN}', b"[" * 100_000, b""],
    ids=["no UTF-8", "NUL", "half a character", "NaN", "deep", "nothing"],
)
def test_a_body_that_cannot_be_stored_is_a_400_with_one_line(client: FlaskClient, body: bytes) -> None:
    answer = client.post(f"{API}/runs/1/close", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "\n" not in answer.get_json()["detail"]


def test_a_body_of_another_kind_or_too_large_is_refused(client: FlaskClient) -> None:
    assert client.post(f"{API}/runs/1/close", data="reason=x").status_code == 415
    large = b'{"reason": "' + b"x" * (2 << 20) + b'"}'
    assert client.post(f"{API}/runs/1/close", data=large, content_type="application/json").status_code == 413


def test_a_method_that_is_not_there_is_a_405_that_names_those_that_are(client: FlaskClient) -> None:
    answer = client.put(f"{API}/runs/1/close", json={"reason": "x"})
    assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
    assert "POST" in answer.headers["Allow"]
    assert client.options(f"{API}/runs").status_code == 200
