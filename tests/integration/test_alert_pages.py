"""The page and the REST API of alerts: what is shown, who may acknowledge, what is refused and how it is said."""

from collections.abc import Iterator

import pytest
from flask import Flask

from headframe.statemachine.roles import Role
from headframe.statemachine.store.access import tokens
from headframe.web.app import create_app
from headframe.web.settings import Settings

from .access_help import add_person, app_over, bearer, make_token, signed_in
from .access_routes import sent_form
from .small_machine import SmallMachine
from .test_alerts import down, look


@pytest.fixture
def app(machine: SmallMachine, database_url: str) -> Iterator[Flask]:
    look(machine, down())
    with app_over(database_url, "headframe") as (made, engine):
        add_person(engine, "ada", Role.OPERATOR)
        yield made


def test_the_page_shows_what_is_so_and_an_operator_acknowledges_it_by_a_form(app: Flask) -> None:
    client = signed_in(app, "ada")
    shown = client.get("/alerts").text
    assert "site work is down" in shown
    form = client.get("/alerts?act=acknowledge&what=site-down&name=work").text
    assert "Acknowledge site-down work" in form
    assert "headframe alerts ack site-down work --for 4h" in form
    sent = {
        "csrf_token": sent_form(form),
        "act": "acknowledge",
        "what": "site-down",
        "name": "work",
        "reason": "I know",
    }
    refused = client.post("/alerts", data=sent)
    assert refused.status_code == 400
    assert "Please say for how long" in refused.text
    done = client.post("/alerts", data={**sent, "hours": "4"})
    assert (done.status_code, done.location) == (303, "/alerts?did=acknowledge")
    after = client.get("/alerts").text
    assert "I know" in after
    assert "<strong>ada</strong>" in after
    for page in ("/status", "/"):
        assert "ada knows, until" in client.get(page).text
    back = client.post("/alerts", data={**sent, "act": "withdraw"})
    assert back.status_code == 303
    assert "<strong>ada</strong>" not in client.get("/alerts").text


def test_an_acknowledgement_of_what_is_not_open_is_shown_and_taken_back(app: Flask, machine: SmallMachine) -> None:
    client, token = signed_in(app, "ada"), bearer(make_token(machine.engine, "daq", Role.OPERATOR)[1])
    assert "None: whatever is not open is told when it opens." in client.get("/alerts").text
    for code, name in (("database-away", ""), ("site-down", "work")):
        said = {"code": code, "name": name, "hours": 4, "reason": f"{code} is planned"}
        assert app.test_client().post("/api/v1/alerts/ack", json=said, headers=token).status_code == 200
    rows = app.test_client().get("/api/v1/alerts/acks").json["rows"]
    assert [(row["code"], row["owner"], row["open"]) for row in rows] == [
        ("database-away", "daq", False),
        ("site-down", "daq", True),
    ]
    shown = client.get("/alerts").text
    assert "database-away is planned" in shown
    form = client.get("/alerts?act=withdraw&what=database-away&name=").text
    assert "Take back the acknowledgement of database-away" in form
    sent = {
        "csrf_token": sent_form(form),
        "act": "withdraw",
        "what": "database-away",
        "name": "",
        "reason": "not today",
    }
    assert client.post("/alerts", data=sent).status_code == 303
    assert "database-away is planned" not in client.get("/alerts").text
    assert len(app.test_client().get("/api/v1/alerts/acks").json["rows"]) == 1


def test_the_page_leads_to_the_remedy_where_the_handbook_has_an_address(machine: SmallMachine) -> None:
    look(machine, down())
    for url, led in (("", False), ("https://example.org/handbook/alerts/", True)):
        shown = (
            create_app(machine.engine, Settings(instance="headframe", handbook=url)).test_client().get("/alerts").text
        )
        assert ('href="https://example.org/handbook/alerts/#site-down"' in shown) == led


def test_who_only_looks_is_offered_the_command_and_no_form(app: Flask) -> None:
    shown = app.test_client().get("/alerts?act=acknowledge&what=site-down&name=work").text
    assert '<form class="act"' not in shown
    assert "headframe alerts ack site-down work" in shown


def test_programs_acknowledge_with_an_end_and_a_reason(app: Flask, machine: SmallMachine) -> None:
    client, token = app.test_client(), bearer(make_token(machine.engine, "daq", Role.OPERATOR)[1])
    said = {"code": "site-down", "name": "work", "hours": 4, "reason": "the cable is being mended"}
    for wrong in (
        {**said, "hours": 0},
        {**said, "reason": " "},
        {key: said[key] for key in ("code", "name", "reason")},
    ):
        assert client.post("/api/v1/alerts/ack", json=wrong, headers=token).status_code == 400
    assert client.post("/api/v1/alerts/ack", json={**said, "name": "x"}, headers=token).status_code == 404
    dry = client.post("/api/v1/alerts/ack?dry_run=true", json=said, headers=token)
    assert (dry.status_code, dry.json["dry_run"]) == (200, True)
    assert client.get("/api/v1/alerts").json["rows"][0]["owner"] == ""
    assert client.post("/api/v1/alerts/ack", json=said, headers=token).status_code == 200
    assert client.get("/api/v1/alerts?code=site-down").json["rows"][0]["owner"] == "daq"
    assert client.get("/api/v1/alerts?status=cleared").json["rows"] == []
    gone = client.post("/api/v1/alerts/unack", json={"code": "site-down", "name": "work", "reason": "x"}, headers=token)
    assert gone.status_code == 200


def test_a_program_says_that_the_detector_runs(app: Flask, machine: SmallMachine) -> None:
    client, token = app.test_client(), bearer(make_token(machine.engine, "daq", Role.DETECTOR)[1])
    said = {"source": "daq", "running": True, "detail": "run 12"}
    assert client.post("/api/v1/detector", json=said).status_code == 401
    assert client.post("/api/v1/detector", json=said, headers=token).status_code == 200
    rows = {row["source"]: row["running"] for row in client.get("/api/v1/detector").json["rows"]}
    assert rows == {"daq": True, "runs": False}
    assert client.post("/api/v1/detector", json={**said, "source": "runs"}, headers=token).status_code == 409
    for number in range(20):
        last = client.post("/api/v1/detector", json={**said, "source": f"daq-{number}"}, headers=token)
    assert last.status_code == 409
    assert "20 sources already" in last.text


def test_the_token_of_a_daq_machine_says_whether_the_detector_runs_and_nothing_else(
    machine: SmallMachine, database_url: str
) -> None:
    machine.arrive(1, 1)
    said = {"source": "daq", "running": True}
    ack = {"code": "database-away", "hours": 1, "reason": "a try"}
    with app_over(database_url, "headframe", reading="closed") as (app, engine):
        client = app.test_client()
        least = bearer(make_token(engine, "daq", Role.DETECTOR)[1])
        with engine.begin() as conn:
            some = bearer(
                tokens.make(conn, "daq-2", [Role.OPERATOR], 1, actor="ada", label="", resources=["detector"])[1]
            )
        for token, sees in ((least, 403), (some, 200)):
            assert client.post("/api/v1/detector", json=said, headers=token).status_code == 200
            assert client.post("/api/v1/alerts/ack", json=ack, headers=token).status_code == 403
            assert client.post("/api/v1/runs/1/close", json={"reason": "a try"}, headers=token).status_code == 403
            for page in ("/api/v1/runs", "/api/v1/detector", "/metrics", "/alerts"):
                assert client.get(page, headers=token).status_code == sees, page
