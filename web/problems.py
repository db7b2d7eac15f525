"""Every error as a page with one clear line: never a stack trace, never SQL."""

import logging

from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from ..statemachine.database import DatabaseUnavailableError
from ..statemachine.views import BadCursorError

RETRY_AFTER_S = 5
LINES = {
    400: "This address asks for something that does not exist in that form.",
    404: "There is nothing at this address.",
    405: "This address can only be read.",
    413: "This request is too large.",
    500: "Something went wrong here; the log of the web process says what.",
    503: "The database is away; this page comes back by itself when the database does.",
}

log = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Turn every error of the application into its page."""
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(BadCursorError, _lost)
    app.register_error_handler(DatabaseUnavailableError, _away)
    app.register_error_handler(Exception, _broken)


def _refused(error: HTTPException) -> Response:
    code = error.code or 500
    said = str(error.description or "")
    usual = said == str(type(error).description or "")
    page = _page(code, LINES.get(code, said) if usual else said)
    page.headers.extend((name, value) for name, value in error.get_headers() if name in ("Allow", "Location"))
    return page


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


def _page(code: int, line: str) -> Response:
    return make_response(
        render_template("problem.html", code=code, line=line, retry_s=RETRY_AFTER_S if code == 503 else None), code
    )
