"""Each request has an id: that of who asks, or one of our own. It is in the answer, in problems, and in log lines."""

import logging
import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
GOOD = re.compile(r"[A-Za-z0-9._-]{1,64}")
READS = ("GET", "HEAD", "OPTIONS")

log = logging.getLogger("headframe.web")


def install(app: Flask) -> None:
    """Give each request of the application its id, before all else that is done for it."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def of_request() -> str:
    """Give the id of the request that is being answered."""
    return str(g.get("request_id", ""))


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if GOOD.fullmatch(given) else secrets.token_hex(8)
    g.request_began = time.perf_counter()
    structlog.contextvars.bind_contextvars(request=g.request_id)


def _end(response: Response) -> Response:
    """Tell of what changed something or went wrong; of what was only read, at level debug."""
    response.headers[HEADER] = of_request()
    told = response.status_code >= 500 or (request.method not in READS and response.status_code < 400)
    took = {"ms": round((time.perf_counter() - g.request_began) * 1000, 1)} if "request_began" in g else {}
    said = {"method": request.method, "path": request.path, "status": response.status_code, **took}
    log.log(logging.INFO if told else logging.DEBUG, "request", extra=said)
    return response


def _forget(_: BaseException | None) -> None:
    structlog.contextvars.unbind_contextvars("request")
