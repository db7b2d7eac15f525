"""/healthz and /readyz: does a round trip to the database work, and is its schema there; /livez: is anybody there."""

import logging
import time
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, make_response
from sqlalchemy import text

from ..statemachine.compatibility import fits
from ..statemachine.database import DatabaseUnavailableError
from .access.identity import needs
from .context import here, reading

log = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)


def install(app: Flask) -> None:
    """Add the page to the application."""
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
@needs(None)
def healthz() -> Response:
    """Answer 200 only when the database answered just now, else 503; the JSON names each check."""
    checks = {"database": _database()}
    healthy = all(check["ok"] for check in checks.values())
    answer = {"status": "ok" if healthy else "unhealthy", "instance": here().instance, "checks": checks}
    return _told(answer, well=healthy)


@blueprint.get("/livez")
@needs(None)
def livez() -> Response:
    """Answer 200: this process answers. Under our own server `asgi` says so, without a thread (`asgi.ALIVE`)."""
    return _told({"status": "ok"}, well=True)


@blueprint.get("/readyz")
@needs(None)
def readyz() -> Response:
    """Answer 200 only when pages can be had: the database answered just now, and has its schema."""
    checks = {"database": _fitting()}
    well = all(check["ok"] for check in checks.values())
    return _told({"status": "ready" if well else "waiting", "role": "web", "checks": checks}, well=well)


def _fitting() -> dict[str, Any]:
    """Say whether this code may work on the schema that is there."""
    try:
        with reading() as connection:
            wrong = fits(connection)
    except DatabaseUnavailableError as error:
        return {"ok": False, "error": error.for_all}
    return {"ok": False, "error": wrong} if wrong else {"ok": True}


def _told(answer: dict[str, Any], *, well: bool) -> Response:
    response = make_response(jsonify(answer), 200 if well else 503)
    response.headers["Cache-Control"] = "no-store"
    return response


def _database() -> dict[str, Any]:
    began = time.perf_counter()
    try:
        with reading() as connection:
            revision = connection.execute(text("select version_num from alembic_version")).scalar()
    except DatabaseUnavailableError as error:
        log.warning("not healthy: %s", error)
        return {"ok": False, "error": error.for_all}
    return {"ok": True, "revision": revision, "ms": round((time.perf_counter() - began) * 1000, 2)}
