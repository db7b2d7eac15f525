"""Every error as one clear line, a page for people and problem+json for programs: never a stack trace, never SQL."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from apiflask.exceptions import HTTPError
from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from ..statemachine.database import DatabaseUnavailableError
from ..statemachine.store.errors import NotFoundError, RefusedError
from ..statemachine.views import BadCursorError, NotOneError, TooWideError
from .request_id import of_request

API = "/api/"
RETRY_AFTER_S = 5
PASSED_ON = ("Allow", "Location", "WWW-Authenticate", "Retry-After")
LINES = {
    400: "This address asks for something that does not exist in that form.",
    401: "This needs somebody who is signed in.",
    403: "This is not allowed to you.",
    404: "There is nothing at this address.",
    405: "This address can only be read.",
    413: "This request is too large.",
    429: "This is too often; please try again in a minute.",
    500: "Something went wrong here; the log of the web process says what.",
    503: "The database is away; this page comes back by itself when the database does.",
}

log = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Turn every error of the application into its page."""
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(HTTPError, _invalid)
    app.register_error_handler(NotFoundError, _not_found)
    app.register_error_handler(RefusedError, _not_possible)
    app.register_error_handler(BadCursorError, _lost)
    app.register_error_handler(TooWideError, _senseless)
    app.register_error_handler(NotOneError, _senseless)
    app.register_error_handler(DatabaseUnavailableError, _away)
    app.register_error_handler(Exception, _broken)


def _refused(error: HTTPException) -> Response:
    code = error.code or 500
    said = str(error.description or "")
    usual = said == str(type(error).description or "")
    page = _page(code, LINES.get(code, said) if usual else said, **getattr(error, "members", {}))
    page.headers.extend((name, value) for name, value in error.get_headers() if name in PASSED_ON)
    return page


def _invalid(error: HTTPError) -> Response:
    """Say what of a call's input is wrong, each part by its name."""
    detail: Any = error.detail or {}
    wrong = [f"{name}: {_joined(said)}" for part in detail.values() for name, said in _parts(part)]
    return _page(
        400 if error.status_code == 422 else error.status_code, "; ".join(wrong) or str(error.message), wrong=detail
    )


def _parts(part: Any) -> list[tuple[str, Any]]:
    return list(part.items()) if isinstance(part, dict) else [("request", part)]


def _joined(said: Any) -> str:
    if isinstance(said, dict):
        return ", ".join(f"{name}: {_joined(each)}" for name, each in said.items())
    return " ".join(str(line) for line in said) if isinstance(said, list) else str(said)


def _not_found(error: Exception) -> Response:
    return _page(404, str(error))


def _not_possible(error: Exception) -> Response:
    """Somebody asks for what the present state does not allow."""
    return _page(409, str(error), **getattr(error, "members", {}))


def _senseless(error: Exception) -> Response:
    return _page(400, str(error))


def _lost(_: Exception) -> Response:
    return _page(400, "This is no place in this list; please start again from its first page.")


def _away(error: Exception) -> Response:
    log.warning("%s %s: %s", request.method, request.path, error)
    page = _page(503, LINES[503])
    page.headers["Retry-After"] = str(RETRY_AFTER_S)
    return page


def _broken(error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _page(500, LINES[500])


def _page(code: int, line: str, /, **members: Any) -> Response:
    if request.path.startswith(API):
        problem = {"type": "about:blank", "title": HTTPStatus(code).phrase, "status": code, "detail": line, **members}
        problem["request"] = of_request()
        return Response(msgspec.json.encode(problem), code, mimetype="application/problem+json")
    return make_response(
        render_template("problem.html", code=code, line=line, retry_s=RETRY_AFTER_S if code == 503 else None), code
    )
