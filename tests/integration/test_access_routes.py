"""Every route, tried with each role, by session and by token: a viewer can change nothing, by any of them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from headframe.statemachine.roles import Role, allowed
from headframe.web.access.identity import needed

from .access_help import add_person, app_over, bearer, make_token, signed_in
from .access_routes import BODY, CHANGES, OWN, OWN_TABLES, Route, changing, content, routes, sent_form
from .servers import PostgresServer
from .web_filled import cloned, fill

ROLES = (None, *Role)
Ask = Callable[[Route], Any]


class Site(NamedTuple):
    """An application for open reading and one for closed, over the same database, and a token of each role."""

    open: Flask
    closed: Flask
    engine: Engine
    tokens: dict[Role, str]


@pytest.fixture(scope="module")
def site(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Site]:
    with cloned(postgres, database_template) as url, app_over(url, instance) as (app, engine):
        fill(engine, runs=4, files=30)
        for role in Role:
            add_person(engine, f"person-{role}", role)
        tokens = {role: make_token(engine, f"program-{role}", role)[1] for role in Role}
        with app_over(url, instance, reading="closed") as (closed, _):
            yield Site(app, closed, engine, tokens)


def by_session(app: Flask, role: Role | None) -> Ask:
    """Ask as a browser does that has signed in, with the proof of its page."""
    client = app.test_client() if role is None else signed_in(app, f"person-{role}")
    proof = {} if role is None else {"X-CSRFToken": sent_form(client.get("/account").text)}
    return lambda route: ask(client, route, proof)


def by_token(app: Flask, role: Role | None, site: Site) -> Ask:
    """Ask as a program does."""
    return lambda route: ask(app.test_client(), route, bearer(site.tokens[role]) if role else {})


def ask(client: FlaskClient, route: Route, headers: dict[str, str]) -> Any:
    """Send a request that would do something if it were let through. What streams is not read to its end."""
    body = {"json": BODY} if route.path.startswith("/api/") else {"data": {"reason": "a try", "role": "viewer"}}
    answer = client.open(route.path, method=route.method, headers=headers, **(body if route.method in CHANGES else {}))
    answer.close()
    return answer


def test_every_route_that_changes_something_takes_an_operator_or_is_about_oneself(site: Site) -> None:
    strict = (Role.OPERATOR, Role.ADMINISTRATOR)
    lax = [route for route in changing(site.open) if route.role not in strict]
    assert {(route.endpoint, route.role) for route in lax} == {
        ("api_launchers.intend_pilots", Role.LAUNCHER), ("api_launchers.round_of_launcher", Role.LAUNCHER),
        ("api_alerts.say_detector", Role.DETECTOR),
    }  # fmt: skip


@pytest.mark.parametrize("reading", ["open", "closed"])
@pytest.mark.parametrize("how", ["session", "token"])
@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.COMMITTEE])
def test_who_is_no_operator_can_change_nothing_by_any_route(
    site: Site, role: Role | None, how: str, reading: str
) -> None:
    app = site.open if reading == "open" else site.closed
    send = by_session(app, role) if how == "session" else by_token(app, role, site)
    before = content(site.engine, OWN_TABLES)
    passed = [
        f"{route}: {answer.status_code}"
        for route in changing(app)
        if (answer := send(route)).status_code != (401 if role is None else 403)
    ]
    for route in routes(app, ("GET", *CHANGES)):
        if route.endpoint not in OWN:
            send(route)
    assert passed == []
    assert content(site.engine, OWN_TABLES) == before


@pytest.mark.parametrize("how", ["session", "token"])
def test_what_is_about_oneself_gives_a_viewer_nothing_more(site: Site, how: str) -> None:
    send = by_session(site.open, Role.VIEWER) if how == "session" else by_token(site.open, Role.VIEWER, site)
    before = content(site.engine, OWN_TABLES)
    for route in routes(site.open, CHANGES):
        if route.endpoint in OWN and route.endpoint != "account.sign_out":
            send(route)
    assert content(site.engine, OWN_TABLES) == before
    granted = "select count(*) from api_token where created_by = 'person-viewer' and roles <> '{viewer}'"
    with site.engine.connect() as connection:
        assert connection.execute(text(granted)).scalar_one() == 0


@pytest.mark.parametrize("how", ["session", "token"])
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMINISTRATOR, Role.LAUNCHER, Role.DETECTOR])
def test_who_has_the_role_is_let_through_and_who_has_not_is_refused(site: Site, role: Role, how: str) -> None:
    send = by_session(site.open, role) if how == "session" else by_token(site.open, role, site)
    wrong = []
    for route in changing(site.open):
        dry = route._replace(path=f"{route.path}?dry_run=true")
        refused = send(dry).status_code in (401, 403)
        if refused == allowed(route.role or Role.OPERATOR, [role]):
            wrong.append(str(route))
    assert wrong == []


@pytest.mark.parametrize("how", ["session", "token"])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("reading", ["open", "closed"])
def test_who_may_look_can_look_and_who_may_not_gets_nothing(
    site: Site, role: Role | None, how: str, reading: str
) -> None:
    app = site.open if reading == "open" else site.closed
    send = by_session(app, role) if how == "session" else by_token(app, role, site)
    wrong = []
    for route in routes(app, ("GET",)):
        lets = route.role is None or (role is not None and allowed(route.role, [role]))
        lets = lets or (route.role is Role.VIEWER and reading == "open")
        code = send(route).status_code
        # Who is let through may still be told that there is no such thing, or sent on to sign in for an own page.
        if (code in (401, 403)) == lets and route.endpoint not in {"account.show", "account.callback"}:
            wrong.append(f"{route}: {code}")
    assert wrong == []


def test_a_change_from_a_foreign_page_is_refused_though_the_browser_is_signed_in(site: Site) -> None:
    client = signed_in(site.open, f"person-{Role.ADMINISTRATOR}")
    before = content(site.engine, OWN_TABLES)
    own = [route for route in routes(site.open, CHANGES) if route.endpoint in OWN]
    for route in [*changing(site.open), *own]:
        assert ask(client, route, {}).status_code == 403, route
        assert ask(client, route, {"X-CSRFToken": "forged"}).status_code == 403, route
    assert content(site.engine, OWN_TABLES) == before


def test_a_token_for_some_resources_changes_nothing_else(site: Site) -> None:
    _, secret = make_token(site.engine, "detector", Role.OPERATOR, resources=("arrivals",))
    reached = {
        route.path
        for route in changing(site.open)
        if ask(site.open.test_client(), route._replace(path=f"{route.path}?dry_run=true"), bearer(secret)).status_code
        not in (401, 403)
    }
    assert {path for path in reached if not path.startswith("/api/v1/arrivals")} == set()


def test_a_route_without_a_word_of_whom_it_lets_takes_a_viewer(site: Site) -> None:
    site_rules = list(site.open.url_map.iter_rules())
    assert all(needed(site.open, rule.endpoint) in (None, *Role) for rule in site_rules)


def test_a_hundred_wrong_tokens_are_all_refused(site: Site) -> None:
    for n in range(100):
        assert site.open.test_client().get("/api/v1/me", headers=bearer(f"hf_{n:043}")).status_code == 401
