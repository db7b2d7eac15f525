"""The pages of one's own account and those for administrators: tokens, sessions, roles. No JavaScript is needed."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, text

from headframe.statemachine.roles import Role
from headframe.statemachine.store.access import people, tokens
from headframe.web.access.memory import KEPT_S
from headframe.web.settings import Access

from .access_help import add_person, app_over, bearer, make_token, proof, sign_in, signed_in
from .servers import wait_until

Site = tuple[Flask, Engine]


@pytest.fixture
def site(database_url: str, instance: str) -> Iterator[Site]:
    with app_over(database_url, instance) as made:
        add_person(made[1], "anna", Role.OPERATOR)
        yield made


def make(client: FlaskClient, **form: str) -> Any:
    asked = {"csrf_token": proof(client, "/account"), "label": "notebook", "role": "viewer", "days": "30", **form}
    return client.post("/account/tokens", data=asked)


def secret_of(page: str) -> str:
    found = re.search(r'<code class="token">(hf_[\w-]{43})</code>', page)
    assert found is not None, page
    return found.group(1)


def known(app: Flask, secret: str) -> Any:
    return app.test_client().get("/api/v1/me", headers=bearer(secret))


def test_a_token_is_shown_once_and_lets_a_program_in(site: Site) -> None:
    client = signed_in(site[0], "anna")
    secret = secret_of(make(client).text)
    assert secret not in client.get("/account").text
    told = known(site[0], secret).get_json()
    assert (told["name"], told["roles"], told["how"]) == ("anna", ["viewer"], "token")


def test_a_revoked_token_is_refused_at_once(site: Site) -> None:
    client = signed_in(site[0], "anna")
    secret = secret_of(make(client).text)
    assert known(site[0], secret).status_code == 200
    with site[1].connect() as connection:
        (token,) = tokens.tokens(connection)
    client.post(f"/account/tokens/{token.id}/revoke", data={"csrf_token": proof(client, "/account")})
    assert known(site[0], secret).status_code == 401


def test_nobody_has_more_tokens_than_they_can_count(site: Site) -> None:
    for _ in range(tokens.MOST):
        make_token(site[1], "anna", Role.VIEWER)
    assert make(signed_in(site[0], "anna")).status_code == 409
    make_token(site[1], "daq", Role.VIEWER)


def test_a_token_that_is_revoked_elsewhere_is_refused_within_seconds(site: Site) -> None:
    number, secret = make_token(site[1], "daq", Role.OPERATOR)
    assert known(site[0], secret).status_code == 200
    with site[1].begin() as connection:
        tokens.revoke(connection, number, actor="boss")
    wait_until(lambda: known(site[0], secret).status_code == 401, KEPT_S + 10, "the token refused")


def test_a_token_ends_at_its_time(site: Site) -> None:
    _, secret = make_token(site[1], "daq", Role.OPERATOR)
    with site[1].begin() as connection:
        connection.execute(text("update api_token set expires_at = clock_timestamp()"))
    assert known(site[0], secret).status_code == 401


@pytest.mark.parametrize("form", [{"role": "administrator"}, {"days": "x"}, {"days": "-1"}, {"days": "9" * 300}])
def test_nobody_gives_a_token_more_than_they_have_or_no_end(site: Site, form: dict[str, str]) -> None:
    assert make(signed_in(site[0], "anna"), **form).status_code == 400


@pytest.mark.parametrize("days", ["0", "367", "9999999999"])
def test_a_token_lives_a_year_at_most(site: Site, days: str) -> None:
    assert make(signed_in(site[0], "anna"), days=days).status_code == 409


def test_a_token_does_less_as_soon_as_its_owner_may_do_less(site: Site) -> None:
    secret = secret_of(make(signed_in(site[0], "anna"), role="operator").text)
    with site[1].begin() as connection:
        people.set_roles(connection, "anna", [Role.VIEWER], actor="boss")
    assert known(site[0], secret).get_json()["roles"] == []


def test_a_token_makes_no_tokens(site: Site) -> None:
    _, secret = make_token(site[1], "anna", Role.OPERATOR)
    for method, path in (("GET", "/account"), ("POST", "/account/tokens"), ("POST", "/account/password")):
        assert site[0].test_client().open(path, method=method, headers=bearer(secret)).status_code == 403


def test_nobody_ends_what_is_somebody_elses(site: Site) -> None:
    add_person(site[1], "berta", Role.OPERATOR)
    berta, anna = signed_in(site[0], "berta"), signed_in(site[0], "anna")
    secret_of(make(berta).text)
    with site[1].connect() as connection:
        (token,) = tokens.tokens(connection)
        session = connection.execute(text("select id from web_session where name = 'berta'")).scalar_one()
    form = {"csrf_token": proof(anna, "/account")}
    assert anna.post(f"/account/tokens/{token.id}/revoke", data=form).status_code == 404
    assert anna.post(f"/account/sessions/{session}/end", data=form).status_code == 404
    assert "berta" not in anna.get("/account").text


def test_a_session_on_another_browser_is_ended_from_here(site: Site) -> None:
    there, here = signed_in(site[0], "anna"), signed_in(site[0], "anna")
    with site[1].connect() as connection:
        first = connection.execute(text("select min(id) from web_session")).scalar_one()
    here.post(f"/account/sessions/{first}/end", data={"csrf_token": proof(here, "/account")})
    assert there.get("/api/v1/me").get_json()["name"] == ""
    assert here.get("/api/v1/me").get_json()["name"] == "anna"


def test_administrators_change_roles_and_disable_but_not_themselves(site: Site) -> None:
    add_person(site[1], "boss", Role.ADMINISTRATOR)
    boss, anna = signed_in(site[0], "boss"), signed_in(site[0], "anna")
    form = {"csrf_token": proof(boss, "/people"), "role": "viewer"}
    assert boss.post("/people/anna/roles", data=form).status_code == 303
    assert anna.get("/api/v1/me").get_json()["roles"] == ["viewer"]
    assert boss.post("/people/anna/disable", data=form).status_code == 303
    assert anna.get("/api/v1/me").get_json()["name"] == ""
    assert boss.post("/people/boss/disable", data=form).status_code == 400
    assert boss.post("/people/nobody/disable", data=form).status_code == 404
    shown = boss.get("/people").text
    assert "disabled" in shown and "roles-changed" in shown


def test_what_people_write_is_shown_as_text(site: Site) -> None:
    client = signed_in(site[0], "anna")
    odd = '"><script>alert(1)</script>'
    make(client, label=odd)
    assert "<script>alert" not in client.get("/account").text
    assert "<script>alert" not in client.get("/sign-in", query_string={"next": f"/{odd}"}).text
    page = client.post("/sign-in", data={"csrf_token": proof(client, "/account"), "name": odd, "password": "x"}).text
    assert "<script>alert" not in page


@pytest.mark.parametrize("how", ["session", "token"])
def test_who_is_known_costs_one_question_now_and_none_for_some_seconds(site: Site, how: str) -> None:
    client, headers = site[0].test_client(), {}
    if how == "session":
        client = signed_in(site[0], "anna")
    else:
        headers = bearer(make_token(site[1], "anna", Role.OPERATOR)[1])
        known(site[0], headers["Authorization"].removeprefix("Bearer "))
        site[0].extensions["headframe-tokens"].forget()
    asked: list[str] = []
    event.listen(site[1], "before_cursor_execute", lambda *given: asked.append(given[2]))
    for _ in range(5):
        assert client.get("/api/v1/me", headers=headers).get_json()["name"] == "anna"
    assert len([each for each in asked if "web_session" in each or "api_token" in each]) == 1
    assert [each for each in asked if each.lower().startswith(("update", "insert"))] == []


def test_changes_have_a_limit_for_each_who_asks(database_url: str, instance: str) -> None:
    with app_over(database_url, instance, access=Access(changes_a_minute=3)) as (app, engine):
        secrets = [make_token(engine, name, Role.OPERATOR)[1] for name in ("one", "two")]
        client = app.test_client()
        codes = [client.post("/api/v1/pauses", json={}, headers=bearer(secrets[0])).status_code for _ in range(4)]
        assert codes[-1] == 429 and 429 not in codes[:-1]
        assert client.post("/api/v1/pauses", json={}, headers=bearer(secrets[1])).status_code != 429
        refused = client.post("/api/v1/pauses", json={}, headers=bearer(secrets[0]))
        assert refused.mimetype == "application/problem+json"
        assert int(refused.headers["Retry-After"]) >= 1
        assert client.get("/api/v1/runs", headers=bearer(secrets[0])).status_code == 200


@pytest.mark.parametrize(
    "sent", ["Basic YTpi", "Bearer", "Bearer hf_x", "Bearer a.b.c", "hf_abc", "Bearer " + "x" * 20000]
)
def test_a_header_that_shows_nobody_is_refused_and_says_what_is_expected(site: Site, sent: str) -> None:
    answer = site[0].test_client().get("/api/v1/runs", headers={"Authorization": sent})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=headframe, error=invalid_")


def test_bad_characters_and_numbers_are_refused_or_left_out(site: Site) -> None:
    add_person(site[1], "boss", Role.ADMINISTRATOR)
    boss = signed_in(site[0], "boss")
    form = {"csrf_token": proof(boss, "/people"), "role": "viewer"}
    secret_of(make(boss, label="a\0b\x1b[2J", resources="arr\0ivals").text)
    for path in ("/people/a%00b/roles", "/people/%ff/disable", f"/people/tokens/{9**30}/revoke"):
        assert boss.post(path, data=form).status_code == 404, path
    for path in (f"/account/tokens/{9**30}/revoke", f"/account/sessions/{9**30}/end"):
        assert boss.post(path, data=form).status_code == 404, path
    bad = {**form, "name": "a\0b", "password": "\0\ud800".encode("utf-8", "surrogatepass"), "next": "/\0"}
    assert boss.post("/sign-in", data=bad).status_code == 401


def test_who_signed_in_and_who_gave_which_role_is_for_administrators_also_over_rest(site: Site) -> None:
    app, engine = site
    boss, operator = make_token(engine, "boss", Role.ADMINISTRATOR)[1], make_token(engine, "o", Role.OPERATOR)[1]
    with engine.begin() as connection:
        people.set_roles(connection, "anna", [Role.VIEWER], actor="boss")
    sign_in(app.test_client(), "anna", "wrong")
    signed_in(app, "anna")
    asked = app.test_client()
    audited = asked.get("/api/v1/audit?action=roles-changed", headers=bearer(boss)).get_json()["rows"]
    assert [(row["actor"], row["source"], row["selection"]["subject"]) for row in audited] == [
        ("boss", "access", "anna")
    ]
    assert asked.get("/api/v1/audit?action=roles-changed", headers=bearer(operator)).get_json()["rows"] == []
    assert asked.get("/api/v1/access-events", headers=bearer(operator)).status_code == 403
    assert asked.get("/api/v1/access-events").status_code == 401
    first = asked.get("/api/v1/access-events?limit=2&subject=anna", headers=bearer(boss)).get_json()
    assert [row["action"] for row in first["rows"]] == ["signed-in", "refused"]
    assert first["rows"][0]["address"] == "127.0.0.1"
    rest = asked.get(f"/api/v1/access-events?subject=anna&after={first['next']}", headers=bearer(boss)).get_json()
    assert rest["rows"][0]["action"] == "roles-changed"
    wrong = asked.get("/api/v1/access-events?action=refused", headers=bearer(boss)).get_json()["rows"]
    assert {row["action"] for row in wrong} == {"refused"}
