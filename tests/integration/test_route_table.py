"""Every rule of the application, by every method, with every role, against a table that says what is to come of it."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from werkzeug.routing import Rule

from headframe.statemachine.roles import Role, allowed
from headframe.web.access.identity import needed
from headframe.web.api.browse import IMAGES
from headframe.web.security import HEADERS, POLICY

from .access_help import app_over, bearer, make_token
from .access_routes import BODY, filled
from .servers import PostgresServer
from .web_filled import cloned, fill

TABLE: dict[str, str] = tomllib.loads(Path(__file__).with_name("route_table.toml").read_text())
"""`METHOD /rule` -> who may: everybody, oneself (somebody who has signed in), or the least role."""
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
EXPIRED, NOBODY = "expired", "nobody"
WHO = (NOBODY, EXPIRED, *(str(role) for role in Role))
FEW = (NOBODY, str(Role.ADMINISTRATOR))
"""By methods that a rule does not have, or that only ask for its headers, these two are enough."""
REFUSED = (401, 403)


class Site(NamedTuple):
    """An application that wants everybody to sign in, and what each sends."""

    app: Flask
    headers: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def site(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Site]:
    with cloned(postgres, database_template) as url, app_over(url, instance, reading="closed") as (app, engine):
        fill(engine, runs=2, files=10)
        headers = {str(role): bearer(make_token(engine, f"program-{role}", role)[1]) for role in Role}
        yield Site(app, {**headers, NOBODY: {}, EXPIRED: bearer(over(engine))})


def over(engine: Engine) -> str:
    """Make a token of an administrator that has ended."""
    number, secret = make_token(engine, "program-of-yesterday", Role.ADMINISTRATOR)
    ended = "update api_token set expires_at = clock_timestamp() - interval '1 second' where id = :id"
    with engine.begin() as connection:
        connection.execute(text(ended), {"id": number})
    return secret


def rules(app: Flask) -> Iterator[tuple[str, Rule]]:
    """Give each method of each rule, as the table names it."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield f"{method} {rule.rule}", rule


def ask(site: Site, method: str, rule: Rule, who: str) -> Any:
    """Send a request; what would change something asks only what it would be."""
    path = filled(site.app, rule)
    body: dict[str, Any] = {}
    if method not in ("GET", "HEAD", "OPTIONS", "TRACE"):
        path += "?dry_run=true"
        body = {"json": BODY} if path.startswith("/api/") else {"data": {"reason": "a try", "role": "viewer"}}
    answer = site.app.test_client().open(path, method=method, headers=site.headers[who], **body)
    answer.close()
    return answer


def may(who: str, wanted: str) -> bool:
    """Say what the table says."""
    if wanted == "everybody":
        return True
    return who in set(Role) and allowed(Role(wanted), [Role(who)])


def test_every_route_stands_in_the_table_and_takes_the_role_that_it_says(site: Site) -> None:
    found = {name: needed(site.app, rule.endpoint) for name, rule in rules(site.app)}
    missing = {name: str(role or "everybody") for name, role in found.items() if name not in TABLE}
    assert not missing, f"say in route_table.toml who may: {missing}"
    assert set(TABLE) - set(found) == set(), "these are no longer there"
    said = {name: None if wanted in ("everybody", "oneself") else Role(wanted) for name, wanted in TABLE.items()}
    assert {name: role for name, role in found.items() if said[name] != role} == {}


@pytest.mark.parametrize("who", WHO)
def test_each_route_lets_through_whom_the_table_names_and_nobody_else(site: Site, who: str) -> None:
    wrong = []
    for name, rule in rules(site.app):
        code = ask(site, name.partition(" ")[0], rule, who).status_code
        if not as_said(name, rule, who, code):
            wrong.append(f"{name}: {code}, in the table: {TABLE[name]}")
    assert wrong == []


def as_said(name: str, rule: Rule, who: str, code: int) -> bool:
    """Say whether an answer is what the table promises."""
    if who == EXPIRED and rule.endpoint != "static":
        return code == 401
    if TABLE[name] == "oneself":  # a token has no account
        return code >= 300
    if may(who, TABLE[name]):
        return code not in REFUSED
    return code == (401 if who == NOBODY else 403)


@pytest.mark.parametrize("who", FEW)
def test_a_method_that_a_rule_does_not_have_is_refused_for_everybody(site: Site, who: str) -> None:
    taken: dict[str, set[str]] = {}
    for rule in site.app.url_map.iter_rules():
        taken.setdefault(rule.rule, set()).update(rule.methods or set())
    wrong = [
        f"{method} {rule.rule}: {answer.status_code}"
        for rule in {rule.rule: rule for rule in site.app.url_map.iter_rules()}.values()
        for method in METHODS
        if method not in taken[rule.rule]
        and (answer := ask(site, method, rule, who)).status_code not in (401, 403, 405)
    ]
    assert wrong == []


@pytest.mark.parametrize("who", FEW)
def test_to_ask_for_the_headers_alone_takes_the_same_role(site: Site, who: str) -> None:
    wrong = []
    for name, rule in rules(site.app):
        if name.startswith("GET ") and rule.endpoint != "live.events":
            code = ask(site, "HEAD", rule, who).status_code
            if not as_said(name, rule, who, code):
                wrong.append(f"{name}: {code}")
    assert wrong == []


@pytest.mark.parametrize("who", FEW)
def test_every_answer_says_that_nothing_foreign_is_loaded_framed_or_guessed(site: Site, who: str) -> None:
    assert "unsafe" not in POLICY + IMAGES
    bare = []
    for name, rule in rules(site.app):
        answer = ask(site, name.partition(" ")[0], rule, who)
        wanted = {**HEADERS, "Content-Security-Policy": IMAGES if rule.endpoint == "api_browse.show" else POLICY}
        bare += [f"{name}: {header}" for header, value in wanted.items() if answer.headers.get(header) != value]
    assert bare == []


@pytest.mark.parametrize("path", ["/no-such-page", "/api/v1/no-such-thing", "/static/no-such-file.js"])
def test_what_is_not_there_carries_the_headers_too(site: Site, path: str) -> None:
    answer = site.app.test_client().get(path)
    assert answer.status_code == 404
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
