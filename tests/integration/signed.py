"""An application in which each request says who sends it: for tests of what people may then do."""

from flask import Flask, g, request
from flask.testing import FlaskClient
from sqlalchemy import Engine

from headframe.web.access import identity
from headframe.web.access.identity import Identity, Role
from headframe.web.app import create_app
from headframe.web.settings import Settings


def signed_app(engine: Engine, **settings: object) -> Flask:
    """Make an application that takes an operator's name from a header instead of looking at tokens."""
    app = create_app(engine, Settings(instance="headframe", **settings))  # type: ignore[arg-type]
    others = [each for each in app.before_request_funcs[None] if each.__module__ != identity.__name__]
    app.before_request_funcs[None] = [_believe, *others]
    return app


def client_of(app: Flask, name: str) -> FlaskClient:
    """Give a client through which this operator acts."""
    client = app.test_client()
    client.environ_base["HTTP_X_TEST_OPERATOR"] = name
    return client


def _believe() -> None:
    g.identity = Identity(name=request.headers.get("X-Test-Operator", ""), roles=frozenset({Role.OPERATOR}), how="test")
