"""Every field of every form on every page, with what means harm or nothing: no page breaks, nothing is let through."""

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role

from .access_help import LOOSE, add_person, app_over, signed_in
from .access_routes import routes
from .servers import PostgresServer
from .web_filled import cloned, fill

MARK = "<b id=evil>"
WORDS = {
    "SQL": "x'; drop table run; --",
    "HTML": f"\"'>{MARK}<script>alert(1)</script>",
    "template": "{{7*7}}${7*7}%s",
    "NUL": "a\0b",
    "no UTF-8": b"\xff\xfe",
    "negative": "-1",
    "huge": "9" * 400,
    "long": "x" * 20_000,
    "other digits": "\u0661\u00b2",
    "many digits": "9" * 5000,
    "a line and a header": "a\r\nSet-Cookie: evil=1",
    "elsewhere": "//evil.example/",
}
LATER = ("/sign-out", "/account/password")
"""What would end the one who tries."""


class Field(NamedTuple):
    """A form's address and method, all that it sends as it stands, and the one field that is tried."""

    method: str
    action: str
    sent: dict[str, str]
    name: str


class Forms(HTMLParser):
    """Finds the fields of a page's forms."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.forms: list[tuple[str, str, dict[str, str]]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "form":
            self.inside = (said.get("method") or "get").lower() in ("get", "post")
            if self.inside:
                action = said.get("action") or self.page
                self.forms.append((str(said.get("method") or "get").upper(), action, {}))
        elif self.inside and said.get("name") and tag in ("input", "select", "textarea", "button"):
            self.forms[-1][2].setdefault(str(said["name"]), str(said.get("value") or ""))

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "form"


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Engine]:
    with cloned(postgres, database_template) as url:
        made = connect(url, instance)
        fill(made, runs=3, files=10)
        yield made
        made.dispose()


@pytest.fixture(scope="module")
def app(engine: Engine, instance: str) -> Iterator[Flask]:
    url = engine.url.render_as_string(hide_password=False)
    with app_over(url, instance, access=LOOSE) as (made, _):
        add_person(engine, "root", Role.ADMINISTRATOR)
        yield made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return signed_in(app, "root")


def pages(app: Flask) -> list[str]:
    return sorted({r.path for r in routes(app, ("GET",)) if not r.path.startswith(("/api/", "/static", "/vendor"))})


def forms(client: FlaskClient, page: str) -> list[tuple[str, str, dict[str, str]]]:
    found, answer = Forms(page), client.get(page)
    if answer.mimetype == "text/html":
        found.feed(answer.text)
    return found.forms


def fields(client: FlaskClient, app: Flask) -> Iterator[Field]:
    for page in pages(app):
        for method, action, sent in forms(client, page):
            if urlsplit(action).path not in LATER:
                yield from (Field(method, action, sent, name) for name in sent if name != "csrf_token")


@pytest.mark.parametrize("kind", WORDS)
def test_no_field_of_any_form_breaks_a_page_or_lets_markup_through(
    client: FlaskClient, app: Flask, engine: Engine, kind: str
) -> None:
    tried = 0
    for field in fields(client, app):
        tried += 1
        value: Any = WORDS[kind]
        sent: dict[str, Any] = {**field.sent, field.name: value}
        if field.method == "GET":
            answer = client.get(field.action, query_string=sent)
        else:
            answer = client.post(field.action, data=sent)
        assert answer.status_code < 500, (field, answer.text)
        assert MARK not in answer.text, field
        assert "evil" not in str(answer.headers.get("Set-Cookie")), field
        assert not str(answer.headers.get("Location", "/")).startswith(("//", "http://evil", "https://evil")), field
        if answer.status_code >= 400 and answer.mimetype == "text/html":
            assert re.search(r'role="alert">[^<]{5,}', answer.text), (field, "no clear line")
    assert tried > 40
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from run")).scalar_one() == 3


@pytest.mark.parametrize(
    "kind",
    ["HTML", "NUL", "no UTF-8", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("SQL", "negative", "huge"))],
)
def test_no_page_breaks_on_what_an_address_asks(client: FlaskClient, app: Flask, kind: str) -> None:
    for page in pages(app):
        own = {name for asked in forms(client, page) for name in asked[2]}
        for name in sorted(own | {"after", "sort", "format", "act", "what", "name", "part"}):
            answer = client.get(page, query_string={name: WORDS[kind]})
            assert answer.status_code < 500, (page, name, answer.text)
            assert MARK not in answer.text, (page, name)


def test_what_people_wrote_is_shown_as_they_wrote_it_and_nowhere_as_markup(
    client: FlaskClient, app: Flask, engine: Engine
) -> None:
    evil = WORDS["HTML"]
    with engine.begin() as connection:
        for statement in EVERYWHERE:
            connection.execute(text(statement), {"evil": evil})
    for page in pages(app):
        answer = client.get(page)
        assert answer.status_code < 500, page
        assert MARK not in answer.text or answer.mimetype != "text/html", page
    assert html.escape(MARK) in client.get("/runs/1203").text


EVERYWHERE = (
    "update item set reason = :evil, reason_code = :evil, host = :evil, actor = :evil where phase = 'failed'",
    "update attempt set reason = :evil, host = :evil where outcome <> 'succeeded'",
    "update campaign set note = :evil, created_by = :evil",
    "insert into pause (what, name, actor, reason) values ('step', :evil, :evil, :evil)",
    "insert into process (owner, role, host, version) values ('evil', 'worker', :evil, :evil)",
    "insert into site (name, kind, reason) values (:evil, :evil, :evil)",
    "insert into operation (actor, action, reason) values (:evil, :evil, :evil)",
    "insert into run_operation (run_id, actor, operation, reason) select id, :evil, :evil, :evil from run",
    "insert into note (run_id, author, text) select id, :evil, :evil from run",
    "insert into dead_letter (fingerprint, queue, code, sentence, subject) values ('e', :evil, :evil, :evil, :evil)",
)
