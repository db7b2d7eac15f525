"""Notes about runs, and how good their data are: said once, kept with who, when and why."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store.answered import forget

from .signed import client_of, signed_app
from .small_machine import SmallMachine

RUN = "/api/v1/runs/5"
ODD = "<script>alert(1)</script> '; drop table note; -- ünï 🙂\nsecond line"


@pytest.fixture
def anna(machine: SmallMachine, database_url: str) -> Iterator[FlaskClient]:
    machine.arrive(5, 1, 2)
    engine = connect(database_url, "headframe")
    yield client_of(signed_app(engine), "anna")
    engine.dispose()


def notes_of(client: FlaskClient, more: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get(f"{RUN}/notes{more}").get_json()["rows"]
    return rows


def test_a_note_keeps_its_text_and_author_and_comes_first_in_the_list(anna: FlaskClient) -> None:
    for body in ({"text": "hot channel 17"}, {"text": ODD, "file": "run5_0002.h5", "kind": "hardware"}):
        assert anna.post(f"{RUN}/note", json=body).status_code == 200
    newest, first = notes_of(anna)
    assert (newest["text"], newest["file"], newest["kind"], newest["author"]) == (
        ODD,
        "run5_0002.h5",
        "hardware",
        "anna",
    )
    assert (first["text"], first["file"], first["kind"]) == ("hot channel 17", "", "note")
    assert notes_of(anna, "?limit=1") == [newest]
    assert [note["text"] for note in anna.get(RUN).get_json()["notes"]] == [ODD, "hot channel 17"]


def test_a_file_is_also_named_by_its_sequence_number(anna: FlaskClient) -> None:
    assert anna.post(f"{RUN}/note", json={"text": "x", "file": "2"}).get_json()["file"] == "run5_0002.h5"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": " "}, 400),
        ({"text": "x" * 10_001}, 400),
        ({"text": "a\0b"}, 400),
        ({"text": "\udfff"}, 400),
        ({"text": "x", "kind": "A B"}, 400),
        ({"text": "x", "author": "bert"}, 400),
        ({"text": "x", "file": "nowhere.h5"}, 404),
        ({}, 400),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused(anna: FlaskClient, body: dict[str, Any], status: int) -> None:
    assert anna.post(f"{RUN}/note", json=body).status_code == status
    assert notes_of(anna) == []


def test_what_is_not_there_is_not_found(anna: FlaskClient) -> None:
    assert anna.get("/api/v1/runs/6/notes").status_code == 404
    assert anna.post("/api/v1/runs/6/note", json={"text": "x"}).status_code == 404
    assert anna.post("/api/v1/runs/6/quality", json={"quality": "bad", "reason": "x"}).status_code == 404


def test_a_dry_run_writes_nothing(anna: FlaskClient) -> None:
    assert anna.post(f"{RUN}/note?dry_run=true", json={"text": "x"}).get_json()["text"] == "x"
    assert notes_of(anna) == []


def test_the_same_key_writes_one_note_and_gets_the_same_answer(anna: FlaskClient, machine: SmallMachine) -> None:
    headers = {"Idempotency-Key": "n1"}
    first = anna.post(f"{RUN}/note", json={"text": "x"}, headers=headers).get_json()
    assert anna.post(f"{RUN}/note", json={"text": "x"}, headers=headers).get_json() == first
    assert len(notes_of(anna)) == 1
    other = anna.post(f"{RUN}/note", json={"text": "y"}, headers=headers)
    assert (other.status_code, other.get_json()["code"]) == (409, "key-taken")
    elsewhere = anna.post(f"{RUN}/quality", json={"quality": "bad", "reason": "x"}, headers=headers)
    assert elsewhere.status_code == 409


def test_kept_answers_are_forgotten_after_30_days(anna: FlaskClient, machine: SmallMachine) -> None:
    for key in ("old", "new"):
        anna.post(f"{RUN}/note", json={"text": key}, headers={"Idempotency-Key": key})
    machine.sql("update answered set at = at - interval '31 days' where key = 'old'")
    with machine.engine.begin() as connection:
        forget(connection)
        assert list(connection.execute(text("select key from answered")).scalars()) == ["new"]


def test_quality_is_said_with_a_reason_and_found_again(anna: FlaskClient, machine: SmallMachine) -> None:
    machine.arrive(6, 1)
    said = anna.post(f"{RUN}/quality", json={"quality": "questionable", "reason": "noise"}).get_json()
    assert (said["actor"], said["operation"], said["reason"]) == ("anna", "quality", "noise")
    assert (said["before"]["quality"], said["after"]["quality"]) == ("unknown", "questionable")
    found = anna.get(RUN).get_json()
    assert (found["row"]["quality"], found["judged"]["actor"], found["judged"]["reason"]) == (
        "questionable",
        "anna",
        "noise",
    )
    rows = anna.get("/api/v1/runs?quality=questionable").get_json()["rows"]
    assert [row["number"] for row in rows] == [5]
    again = anna.post(f"{RUN}/quality", json={"quality": "questionable", "reason": "still"})
    assert again.status_code == 409
    for body in ({"quality": "great", "reason": "x"}, {"quality": "good"}, {"quality": "good", "reason": " "}):
        assert anna.post(f"{RUN}/quality", json=body).status_code == 400


def test_what_was_said_of_a_run_is_among_what_operators_did(anna: FlaskClient, machine: SmallMachine) -> None:
    anna.post(f"{RUN}/quality", json={"quality": "bad", "reason": "noise"})
    machine.act(Trigger.HOLD, files=("5/1",))
    hold, quality = anna.get("/api/v1/audit").get_json()["rows"]
    assert (hold["source"], hold["action"], hold["changed"]) == ("operation", "hold", 1)
    assert (quality["source"], quality["action"], quality["run"], quality["reason"]) == ("run", "quality", 5, "noise")
    assert [row["action"] for row in anna.get("/api/v1/audit?action=quality&run=5").get_json()["rows"]] == ["quality"]
    assert anna.get("/api/v1/audit?since=2990-01-01").get_json()["rows"] == []
