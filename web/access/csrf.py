"""A change that comes with our cookie has to come from one of our pages. Who sends a token needs no such proof."""

from typing import cast

from flask import Flask, current_app, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import Forbidden

from .cookie import load_key
from .identity import SAFE, reads_only, who

SAID = (
    "this did not come from a page of ours, or from one of before you signed in; load the page again "
    "(programs send X-CSRFToken, or a token in the header Authorization instead of the cookie)"
)


def install(app: Flask) -> None:
    """Have tokens for forms; they hold as long as the cookie does."""
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    CSRFProtect(app)


def check() -> None:
    """Raise `Forbidden` for a change that a foreign page may have sent."""
    if request.method in SAFE or who().how in ("token", "issuer") or reads_only(current_app, str(request.endpoint)):
        return
    load_key(current_app._get_current_object())  # type: ignore[attr-defined]
    try:
        cast("CSRFProtect", current_app.extensions["csrf"]).protect()
    except CSRFError as error:
        raise Forbidden(SAID) from error
