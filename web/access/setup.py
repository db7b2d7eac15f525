"""Puts the parts of access together: who asks is known by a token or a cookie, and what they change is guarded."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from ..context import KEY, Context
from . import bearer, cookie, csrf, identity, limits, oidc


def install(app: Flask) -> None:
    """Have every request of the application known and guarded."""
    for part in (cookie, bearer, oidc, limits, csrf):
        part.install(app)
    knowers = (lambda: bearer.knower(app), lambda: cookie.knower(app))
    identity.install(app, knowers, (csrf.check, limits.check))
    _trust_proxies(app)


def _trust_proxies(app: Flask) -> None:
    """Believe what so many proxies in front of us say of who asks; nobody else, who could write the same headers."""
    context: Context = app.extensions[KEY]
    n = context.settings.access.proxies
    if n:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n, x_port=n)  # type: ignore[method-assign]
