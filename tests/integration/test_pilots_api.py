"""Pilots over REST: launchers say what they start and see, operators drain and cancel, everybody looks."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine

from headframe.statemachine.roles import Role

from .access_help import LOOSE, app_over, bearer, make_token

TOKEN = "hf-test-0001"
WISH = {"token": TOKEN, "name": "reco", "steps": ["salt"], "request": {"partition": "p"}}
HERE = "/api/v1/launchers/here"


@pytest.fixture
def service(database_url: str, instance: str) -> Iterator[tuple[Flask, Engine]]:
    with app_over(database_url, instance, access=LOOSE) as found:
        yield found


def headers(engine: Engine, role: Role) -> dict[str, str]:
    return bearer(make_token(engine, f"some-{role}", role)[1])


def test_a_launcher_writes_down_sees_and_is_told(service: tuple[Flask, Engine]) -> None:
    app, engine = service
    client, launcher, operator = app.test_client(), headers(engine, Role.LAUNCHER), headers(engine, Role.OPERATOR)
    said = client.post(f"{HERE}/pilots", json=[WISH], headers=launcher)
    assert (said.status_code, said.json["done"]) == (200, "1 pilot written down")
    assert client.post(f"{HERE}/pilots", json=[WISH], headers=launcher).json["changed"] == 0
    orders = client.post(f"{HERE}/round", json={"host": "login1", "owner": "l-1"}, headers=launcher).json
    assert [each["token"] for each in orders["pilots"]] == [TOKEN]
    number = client.get("/api/v1/pilots?live=true").json["rows"][0]["id"]
    path = f"/api/v1/pilots/{number}"
    tried = client.post(f"{path}/drain?dry_run=true", json={"reason": "r"}, headers=operator)
    assert (tried.status_code, tried.json["dry_run"]) == (200, True)
    assert client.get(path).json["told"] == ""
    assert client.post(f"{path}/drain", json={"reason": "r"}, headers=operator).json["changed"] == 1
    seen = {"token": TOKEN, "status": "ended", "code": "done", "reason": "idle"}
    orders = client.post(f"{HERE}/round", json={"owner": "l-1", "seen": [seen]}, headers=launcher).json
    assert [(each["status"], each["told"]) for each in orders["pilots"]] == [("ended", "drain")]
    refused = client.post(f"{path}/cancel", json={"reason": "r"}, headers=operator)
    assert (refused.status_code, refused.json["detail"]) == (409, f"pilot {number} is ended already: idle")


def test_only_a_launcher_or_an_administrator_speaks_for_a_launcher(service: tuple[Flask, Engine]) -> None:
    app, engine = service
    client = app.test_client()
    codes = {role: client.post(f"{HERE}/round", json={}, headers=headers(engine, role)).status_code for role in Role}
    allowed = {Role.LAUNCHER, Role.ADMINISTRATOR}
    assert codes == {role: 200 if role in allowed else 403 for role in Role}
    for path in ("pauses", "pilots/1/drain"):
        body = {"what": "step", "name": "salt", "reason": "r"} if path == "pauses" else {"reason": "r"}
        assert client.post(f"/api/v1/{path}", json=body, headers=headers(engine, Role.LAUNCHER)).status_code == 403


@pytest.mark.parametrize(
    ("resource", "codes"),
    [("launchers/here", (200, 403, 403)), ("launchers", (200, 200, 200)), ("launchers/here/pilots", (403, 403, 403))],
)
def test_a_token_for_one_launcher_speaks_for_no_other(
    service: tuple[Flask, Engine], resource: str, codes: tuple[int, int, int]
) -> None:
    app, engine = service
    token = bearer(make_token(engine, "here", Role.LAUNCHER, resources=(resource,))[1])
    names = ("here", "there", "here-too")
    asked = [app.test_client().post(f"/api/v1/launchers/{name}/round", json={}, headers=token) for name in names]
    assert tuple(answer.status_code for answer in asked) == codes
    assert all("nothing else" in answer.json["detail"] for answer in asked if answer.status_code == 403)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([{**WISH, "token": "a b"}], "matching regex"),
        ([{**WISH, "token": "x" * 101}], "length <= 100"),
        ([WISH] * 1001, "length <= 1000"),
    ],
)
def test_a_wish_that_nothing_can_hold_is_refused(service: tuple[Flask, Engine], body: object, said: str) -> None:
    app, engine = service
    answer = app.test_client().post(f"{HERE}/pilots", json=body, headers=headers(engine, Role.LAUNCHER))
    assert answer.status_code == 400
    assert said in answer.json["detail"]


def test_what_a_launcher_says_has_bounds(service: tuple[Flask, Engine]) -> None:
    app, engine = service
    many = {f"k{n}": 1.0 for n in range(300)}
    for said in ({"trouble": dict.fromkeys(many, "x")}, {"seen": [{"token": TOKEN, "status": "ended", "usage": many}]}):
        answer = app.test_client().post(f"{HERE}/round", json=said, headers=headers(engine, Role.LAUNCHER))
        assert (answer.status_code, "length <= " in answer.json["detail"]) == (400, True)


def test_a_time_that_no_job_can_have_is_refused(service: tuple[Flask, Engine]) -> None:
    app, engine = service
    seen = {"token": TOKEN, "status": "running", "started_at": "0001-01-01T00:00:00+14:00"}
    answer = app.test_client().post(f"{HERE}/round", json={"seen": [seen]}, headers=headers(engine, Role.LAUNCHER))
    assert (answer.status_code, "is no time of a job" in answer.json["detail"]) == (400, True)
