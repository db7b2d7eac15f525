"""People with roles, and clients that are signed in as them or send their tokens."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role
from headframe.statemachine.store.access import people, tokens
from headframe.web.access import passwords
from headframe.web.app import create_app
from headframe.web.settings import Access, Settings

PASSWORD = "a long enough password"
LOOSE = Access(sign_ins_a_minute=100_000, changes_a_minute=100_000)
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@contextmanager
def app_over(database: str, instance: str, **changes: Any) -> Iterator[tuple[Flask, Engine]]:
    """Give an application over a database, with limits that no test meets by accident."""
    engine = connect(database, instance)
    try:
        yield create_app(engine, Settings(**{"instance": instance, "access": LOOSE, **changes})), engine
    finally:
        engine.dispose()


def add_person(engine: Engine, name: str, *roles: Role, password: str = PASSWORD) -> None:
    """Add a local user."""
    with engine.begin() as connection:
        people.add(connection, name, _hashed(password), roles, actor="test")


@cache
def _hashed(password: str) -> str:
    """Hash once for all that have the same: each time would take a tenth of a second of a processor."""
    return passwords.hashed(password)


def make_token(engine: Engine, name: str, *roles: Role, resources: tuple[str, ...] = ()) -> tuple[int, str]:
    """Make a token that ends tomorrow."""
    with engine.begin() as connection:
        return tokens.make(connection, name, roles, 1, actor="test", resources=resources)


def bearer(secret: str) -> dict[str, str]:
    """Give the headers of who sends a token."""
    return {"Authorization": f"Bearer {secret}"}


def proof(client: FlaskClient, path: str = "/sign-in") -> str:
    """Give the CSRF token of a page's form."""
    found = TOKEN.search(client.get(path).text)
    assert found is not None
    return found.group(1)


def signed_in(app: Flask, name: str, password: str = PASSWORD) -> FlaskClient:
    """Give a client that has signed in."""
    client = app.test_client()
    answer = sign_in(client, name, password)
    assert answer.status_code == 303, answer.text
    return client


def sign_in(client: FlaskClient, name: str, password: str = PASSWORD, to: str = "") -> Any:
    """Send the form of the page."""
    form = {"csrf_token": proof(client), "name": name, "password": password, "next": to}
    return client.post("/sign-in", data=form)
