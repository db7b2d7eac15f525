"""Notes and quality on a run's page: shown escaped, written by a form, by operators only."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine

from headframe.statemachine.database import connect
from headframe.web.app import create_app
from headframe.web.settings import Settings

from .signed import client_of, signed_app
from .small_machine import SmallMachine


@pytest.fixture
def engine(machine: SmallMachine, database_url: str) -> Iterator[Engine]:
    machine.arrive(5, 1)
    made = connect(database_url, "headframe")
    yield made
    made.dispose()


@pytest.fixture
def app(engine: Engine) -> Flask:
    return signed_app(engine)


def test_a_note_is_written_by_a_form_and_shown_as_text(app: Flask) -> None:
    anna = client_of(app, "anna")
    said = anna.post("/runs/5/note", data={"text": "<b>hot</b> & noisy\nsecond line", "file": "1"})
    assert (said.status_code, said.headers["Location"]) == (303, "/runs/5#notes")
    page = anna.get("/runs/5").text
    assert "&lt;b&gt;hot&lt;/b&gt; &amp; noisy\nsecond line" in page
    assert "<b>hot" not in page
    assert "run5_0001.h5" in page


def test_quality_is_said_by_a_form_with_who_and_why(app: Flask) -> None:
    anna = client_of(app, "anna")
    assert "Nobody has said yet" in anna.get("/runs/5").text
    assert anna.post("/runs/5/quality", data={"quality": "bad", "reason": "<i>noise</i>"}).status_code == 303
    page = anna.get("/runs/5").text
    assert "anna" in page
    assert "&lt;i&gt;noise&lt;/i&gt;" in page


@pytest.mark.parametrize(
    ("address", "form", "code"),
    [
        ("/runs/5/note", {"text": " "}, 409),
        ("/runs/5/note", {"text": "a\0b"}, 400),
        ("/runs/5/note", {"text": "x", "file": "nowhere"}, 404),
        ("/runs/6/note", {"text": "x"}, 404),
        ("/runs/5/quality", {"quality": "great", "reason": "x"}, 409),
        ("/runs/5/quality", {"quality": "good", "reason": " "}, 400),
    ],
)
def test_what_cannot_be_said_is_refused_on_a_page(app: Flask, address: str, form: dict[str, str], code: int) -> None:
    assert client_of(app, "anna").post(address, data=form).status_code == code


def test_who_may_only_look_sees_no_form_and_changes_nothing(engine: Engine) -> None:
    stranger = create_app(engine, Settings(instance="headframe")).test_client()
    page = stranger.get("/runs/5").text
    assert "Notes and quality" in page
    assert "Write a note" not in page
    assert stranger.post("/runs/5/note", data={"text": "x"}).status_code in (400, 401, 403)
    assert "says so" not in stranger.get("/runs/5").text
