"""Signing in by name and password, what a session is worth, and how it ends."""

import logging
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import Engine, text

from headframe.statemachine.roles import Role
from headframe.statemachine.store.access import people
from headframe.web.settings import Access

from .access_help import PASSWORD, TOKEN, add_person, app_over, bearer, make_token, proof, sign_in, signed_in

Site = tuple[Flask, Engine]


@pytest.fixture
def site(database_url: str, instance: str) -> Iterator[Site]:
    with app_over(database_url, instance) as made:
        add_person(made[1], "anna", Role.OPERATOR)
        yield made


def test_who_signs_in_goes_on_to_the_page_that_they_wanted(site: Site) -> None:
    client = site[0].test_client()
    answer = sign_in(client, "anna", to="/files?state=placed")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/files?state=placed")
    me = client.get("/api/v1/me").get_json()
    assert (me["name"], me["roles"], me["how"]) == ("anna", ["operator"], "session")
    assert "anna" in client.get("/").text


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/\tx", "x"]
)
def test_nobody_is_sent_on_to_a_foreign_page(site: Site, to: str) -> None:
    assert sign_in(site[0].test_client(), "anna", to=to).headers["Location"] == "/"


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "wrong"), ("nobody", PASSWORD), ("anna", ""), ("'--", "x" * 5000)]
)
def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(site: Site, name: str, password: str) -> None:
    answer = sign_in(site[0].test_client(), name, password)
    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text


def test_a_session_has_another_id_after_each_sign_in(site: Site) -> None:
    client = site[0].test_client()
    sign_in(client, "anna")
    with client.session_transaction() as first:
        before = first["session"]
    form = {"csrf_token": proof(client, "/account"), "name": "anna", "password": PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 303
    with client.session_transaction() as second:
        assert second["session"] != before
    with site[1].connect() as connection:
        assert connection.execute(text("select count(*) from web_session where revoked_at is null")).scalar() == 1


def test_the_cookie_is_for_this_site_only_and_out_of_reach_of_scripts(site: Site) -> None:
    client = site[0].test_client()
    cookie = sign_in(client, "anna").headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie


def test_over_https_the_cookie_stays_there(database_url: str, instance: str) -> None:
    with app_over(database_url, instance, url="https://hf.example") as (app, engine):
        add_person(engine, "anna", Role.VIEWER)
        assert "Secure" in sign_in(app.test_client(), "anna").headers["Set-Cookie"]


def test_who_signs_out_is_nobody_even_with_the_old_cookie(site: Site) -> None:
    client = signed_in(site[0], "anna")
    old = client.get_cookie("headframe_headframe")
    assert old is not None
    client.post("/sign-out", data={"csrf_token": proof(client, "/account")})
    assert client.get("/api/v1/me").get_json()["name"] == ""
    client.set_cookie("headframe_headframe", old.value)
    assert client.get("/api/v1/me").get_json()["name"] == ""


def test_a_session_ends_at_its_time(site: Site) -> None:
    client = signed_in(site[0], "anna")
    with site[1].begin() as connection:
        connection.execute(text("update web_session set expires_at = clock_timestamp()"))
    assert client.get("/api/v1/me").get_json()["name"] == ""


def test_a_change_of_roles_holds_for_open_sessions(site: Site) -> None:
    client = signed_in(site[0], "anna")
    with site[1].begin() as connection:
        people.set_roles(connection, "anna", [Role.VIEWER], actor="boss")
    assert client.get("/api/v1/me").get_json()["roles"] == ["viewer"]


def test_who_is_disabled_has_neither_session_nor_token(site: Site) -> None:
    client = signed_in(site[0], "anna")
    _, secret = make_token(site[1], "anna", Role.OPERATOR)
    with site[1].begin() as connection:
        people.disable(connection, "anna", actor="boss")
    assert client.get("/api/v1/me").get_json()["name"] == ""
    assert site[0].test_client().get("/api/v1/me", headers=bearer(secret)).status_code == 401
    assert sign_in(site[0].test_client(), "anna").status_code == 401


def test_a_hash_of_old_parameters_is_renewed_at_the_next_sign_in(site: Site) -> None:
    with site[1].begin() as connection:
        old = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
        connection.execute(text("update person set password = :old"), {"old": old})
    signed_in(site[0], "anna")
    with site[1].connect() as connection:
        assert people.password_of(connection, "anna") != old
    signed_in(site[0], "anna")


def test_who_guesses_has_to_wait(database_url: str, instance: str) -> None:
    with app_over(database_url, instance, access=Access(sign_ins_a_minute=3)) as (app, engine):
        add_person(engine, "anna", Role.VIEWER)
        answers = [sign_in(app.test_client(), "anna", "wrong") for _ in range(5)]
        assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 62


def test_one_name_is_guarded_from_many_addresses(database_url: str, instance: str) -> None:
    access = Access(sign_ins_a_minute=3, proxies=1)
    with app_over(database_url, instance, access=access) as (app, engine):
        add_person(engine, "anna", Role.VIEWER)
        codes = []
        for n in range(4):
            client = app.test_client()
            form = {"csrf_token": proof(client), "name": "anna", "password": "wrong"}
            codes.append(client.post("/sign-in", data=form, headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code)
        assert codes == [401, 401, 401, 429]


def test_headers_of_a_proxy_count_only_where_one_is_configured(site: Site, database_url: str, instance: str) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.2.3"}
    assert "Strict-Transport-Security" not in site[0].test_client().get("/", headers=told).headers
    with app_over(database_url, instance, access=Access(proxies=1)) as (app, _):
        assert "Strict-Transport-Security" in app.test_client().get("/", headers=told).headers


COMES_FROM = [("https://hf.example/sign-in", 303), ("https://evil.example/", 403), ("", 403)]


@pytest.mark.parametrize(("referrer", "code"), COMES_FROM)
def test_behind_a_proxy_with_https_a_form_comes_from_our_own_address(
    database_url: str, instance: str, referrer: str, code: int
) -> None:
    with app_over(database_url, instance, url="https://hf.example", access=Access(proxies=1)) as (app, engine):
        add_person(engine, "anna", Role.OPERATOR)
        client = app.test_client()
        told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hf.example", "X-Forwarded-For": "10.1.2.3"}
        page = client.get("/sign-in", base_url="https://hf.example", headers=told).text
        form = {"csrf_token": TOKEN.findall(page)[0], "name": "anna", "password": PASSWORD}
        sent = {**told, **({"Referer": referrer} if referrer else {})}
        assert client.post("/sign-in", base_url="https://hf.example", data=form, headers=sent).status_code == code
        with engine.connect() as connection:
            noted = "select address from access_event where action = 'signed-in'"
            assert connection.execute(text(noted)).scalar() == ("10.1.2.3" if code == 303 else None)


def test_signing_in_leaves_a_line_for_administrators(site: Site) -> None:
    sign_in(site[0].test_client(), "anna", "wrong")
    signed_in(site[0], "anna")
    with site[1].connect() as connection:
        rows = connection.execute(text("select action, actor from access_event order by id")).all()
    assert [tuple(row) for row in rows] == [("user-added", "test"), ("refused", "anna"), ("signed-in", "anna")]


def test_neither_log_nor_database_holds_a_secret(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = signed_in(site[0], "anna")
    form = {"csrf_token": proof(client, "/account"), "label": "x", "role": "viewer", "days": "7"}
    page = client.post("/account/tokens", data=form).text
    secret = page.split('<code class="token">')[1].split("<")[0]
    assert client.get("/api/v1/me", headers=bearer(secret)).get_json()["how"] == "token"
    assert client.get("/api/v1/me", headers=bearer(secret + "x")).status_code == 401
    with client.session_transaction() as cookie:
        id_ = cookie["session"]
    with site[1].connect() as connection:
        rows = [
            str(connection.execute(text(f"select array_agg(t::text) from {table} t")).scalar())
            for table in ("person", "api_token", "web_session", "access_event")
        ]
    for hidden in (PASSWORD, secret, id_):
        assert hidden not in caplog.text
        assert not any(hidden in row for row in rows)


def test_a_wrong_proof_is_a_problem_with_one_clear_line(site: Site) -> None:
    client = site[0].test_client()
    answer = client.post("/sign-in", data={"name": "anna", "password": PASSWORD, "csrf_token": "forged"})
    assert answer.status_code == 403
    assert "load the page again" in answer.text


def test_pages_of_an_account_are_kept_nowhere(site: Site) -> None:
    client = signed_in(site[0], "anna")
    for path in ("/sign-in", "/account"):
        assert site[0].test_client().get(path, follow_redirects=True).headers["Cache-Control"] == "no-store"
    assert client.get("/account").headers["Cache-Control"] == "no-store"


def test_where_reading_is_closed_a_browser_is_sent_to_sign_in_and_a_program_gets_401(
    database_url: str, instance: str
) -> None:
    with app_over(database_url, instance, reading="closed") as (app, engine):
        add_person(engine, "anna", Role.VIEWER)
        browser = app.test_client().get("/?kind=led", headers={"Accept": "text/html"})
        assert (browser.status_code, browser.headers["Location"]) == (302, "/sign-in?next=/?kind%3Dled")
        program = app.test_client().get("/api/v1/runs")
        assert program.status_code == 401
        assert program.headers["WWW-Authenticate"].startswith("Bearer")
        assert app.test_client().get("/?part=1", headers={"Accept": "text/html"}).status_code == 401
        assert app.test_client().get("/healthz").status_code == 200
        assert signed_in(app, "anna").get("/").status_code == 200


def test_all_web_processes_know_the_same_cookie(site: Site, database_url: str, instance: str) -> None:
    client = signed_in(site[0], "anna")
    cookie = client.get_cookie("headframe_headframe")
    assert cookie is not None
    with app_over(database_url, instance) as (other, _):
        beside = other.test_client()
        beside.set_cookie("headframe_headframe", cookie.value)
        assert beside.get("/api/v1/me").get_json()["name"] == "anna"


def test_a_password_is_changed_with_the_old_one_and_ends_other_sessions(site: Site) -> None:
    here, there = signed_in(site[0], "anna"), signed_in(site[0], "anna")
    new = "another long password"
    form = {"csrf_token": proof(here, "/account"), "password": "wrong", "new": new, "again": new}
    assert here.post("/account/password", data=form).status_code == 409
    assert here.post("/account/password", data={**form, "password": PASSWORD}).status_code == 303
    assert here.get("/api/v1/me").get_json()["name"] == "anna"
    assert there.get("/api/v1/me").get_json()["name"] == ""
    signed_in(site[0], "anna", new)


def test_guesses_count_for_all_web_processes_together(database_url: str, instance: str) -> None:
    access = Access(sign_ins_a_minute=3)
    with (
        app_over(database_url, instance, access=access) as (one, engine),
        app_over(database_url, instance, access=access) as (other, _),
    ):
        add_person(engine, "anna", Role.VIEWER)
        assert [sign_in(one.test_client(), "anna", "wrong").status_code for _ in range(3)] == [401] * 3
        answer = sign_in(other.test_client(), "anna")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 62
        with engine.begin() as connection:
            connection.execute(text("update access_event set at = at - interval '1 minute'"))
        assert sign_in(other.test_client(), "anna").status_code == 303


def test_who_sends_wrong_tokens_has_to_wait_and_who_sends_good_ones_beside_them_has_not(
    database_url: str, instance: str
) -> None:
    with app_over(database_url, instance, access=Access(sign_ins_a_minute=3)) as (app, engine):
        _, good = make_token(engine, "program", Role.VIEWER)
        wrong = [bearer("hf_wrong"), bearer("a.b.c"), {"Authorization": "Basic YTpi"}, bearer("hf_other"), bearer("x")]
        answers = [app.test_client().get("/api/v1/me", headers=each) for each in wrong]
        assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
        assert answers[-1].mimetype == "application/problem+json" and "Retry-After" in answers[-1].headers
        assert app.test_client().get("/api/v1/me", headers=bearer(good)).status_code == 200


def test_over_https_no_other_host_of_the_domain_can_set_our_cookie(database_url: str, instance: str) -> None:
    with app_over(database_url, instance, url="https://hf.example") as (app, engine):
        add_person(engine, "anna", Role.VIEWER)
        cookie = sign_in(app.test_client(), "anna").headers["Set-Cookie"]
        assert cookie.startswith(f"__Host-headframe_{instance}=")
        assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie
