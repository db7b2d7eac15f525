"""Files and runs that are announced over REST instead of dropped: idempotent, judged as a watcher's are."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from headframe.statemachine.database import connect

from .signed import client_of, signed_app
from .small_machine import SmallMachine

ARRIVALS = "/api/v1/arrivals"


@pytest.fixture
def client(machine: SmallMachine, database_url: str) -> Iterator[FlaskClient]:
    machine.sql("insert into site (name) values ('source')")
    engine = connect(database_url, "headframe", pool=8)
    yield client_of(signed_app(engine, book=machine.book), "daq")
    engine.dispose()


def sent(sequence: int, **more: Any) -> dict[str, Any]:
    path = f"inbox/run1_{sequence:04d}.h5"
    said = {"site": "source", "path": path, "run": 1, "sequence": sequence, "size": 10, "mtime_ns": 1}
    return {**said, "kind": "science", **more}


def became(client: FlaskClient, *files: dict[str, Any]) -> list[tuple[str, str]]:
    answer = client.post(ARRIVALS, json=list(files))
    assert answer.status_code == 200, answer.text
    return [(row["became"], row["code"]) for row in answer.get_json()["rows"]]


def test_a_file_is_registered_once_however_often_it_is_sent(machine: SmallMachine, client: FlaskClient) -> None:
    assert became(client, sent(1), sent(2)) == [("registered", "")] * 2
    assert became(client, sent(2), sent(3)) == [("known", ""), ("registered", "")]
    assert client.post(ARRIVALS, json=sent(3)).get_json()["rows"][0]["became"] == "known"
    assert (machine.item(1, 3).phase, machine.item(1, None).phase) == ("ready", "waiting")


def test_what_is_wrong_with_a_file_is_said_and_written_to_the_dead_letters(client: FlaskClient) -> None:
    assert became(client, sent(1)) == [("registered", "")]
    told = became(
        client, sent(1, size=11), sent(1, path="inbox/other.h5"), sent(2, path="../x.h5"), sent(3, kind="led")
    )
    assert told == [
        ("refused", "rewritten"),
        ("refused", "sequence-twice"),
        ("refused", "path-outside"),
        ("refused", "kind-mismatch"),
    ]
    letters = client.get("/api/v1/dead-letters").get_json()["rows"]
    assert {row["code"] for row in letters} == {code for _, code in told}


def test_a_site_that_is_not_known_refuses_the_whole_call(machine: SmallMachine, client: FlaskClient) -> None:
    answer = client.post(ARRIVALS, json=[sent(1), sent(2, site="moon")])
    assert (answer.status_code, answer.get_json()["detail"]) == (409, "there is no site moon; there are source")
    with machine.engine.connect() as connection:
        assert connection.execute(text("select count(*) from file")).scalar_one() == 0


def test_a_dry_run_judges_and_registers_nothing(machine: SmallMachine, client: FlaskClient) -> None:
    answer = client.post(f"{ARRIVALS}?dry_run=true", json=sent(1))
    assert answer.get_json()["rows"][0]["became"] == "registered"
    with machine.engine.connect() as connection:
        assert connection.execute(text("select count(*) from file")).scalar_one() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"run": -1},
        {"run": 2**63},
        {"sequence": 2**31},
        {"size": 0},
        {"path": "/etc/passwd"},
        {"path": "a\0b"},
        {"x": 1},
    ],
    ids=str,
)
def test_what_no_file_can_be_is_a_400(client: FlaskClient, wrong: dict[str, Any]) -> None:
    assert client.post(ARRIVALS, json={**sent(1), **wrong}).status_code == 400
    assert client.post(ARRIVALS, json=[sent(n) for n in range(1001)]).status_code == 400


def test_a_run_is_announced_and_completed_by_its_files(machine: SmallMachine, client: FlaskClient) -> None:
    said = {"run": 1, "kind": "science", "started": "2026-11-20T00:00:00Z", "expected": 2, "first_sequence": 1}
    assert client.post("/api/v1/runs", json=said).get_json() == {"run": 1, "link": "/runs/1", "troubles": []}
    became(client, sent(1), sent(2))
    assert client.post("/api/v1/runs", json={**said, "closed": True}).status_code == 200
    row = client.get("/api/v1/runs/1?fields=row").get_json()["row"]
    assert (row["expected"], row["missing"], row["closed"] is not None) == (2, 0, True)
    told = client.post("/api/v1/runs", json={**said, "started": "2026-11-21T00:00:00Z"}).get_json()["troubles"]
    assert [trouble["code"] for trouble in told] == ["run-number-reused"]


def test_half_a_run_time_or_one_out_of_reach_is_refused(client: FlaskClient) -> None:
    for started in ("2026-11-20T00:00:00", "0001-01-01T00:00:00+14:00", "soon"):
        assert client.post("/api/v1/runs", json={"run": 1, "started": started}).status_code == 400
