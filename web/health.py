"""/healthz: does a round trip to the database work, and is its schema there."""

import logging
import time
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, make_response
from sqlalchemy import text

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
    response = make_response(jsonify(answer), 200 if healthy else 503)
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
