"""The one cookie of the pages: signed, HttpOnly, SameSite=Lax, Secure over https. It holds the id of a session."""

from datetime import UTC, datetime

from flask import Flask, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.wrappers import Request
from itsdangerous import URLSafeTimedSerializer

from ...statemachine.database import explained
from ...statemachine.store.access import sessions
from ...statemachine.store.access.secrets import digest, web_key
from ..context import KEY, Context, changing, here, reading
from .identity import Identity
from .memory import Memory

SESSION = "session"
MEMORY = "headframe-sessions"
BROWSER_CHARACTERS = 120


class Cookies(SecureCookieSessionInterface):
    """Signs with the key that all web processes of the instance share, read when it is first needed."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie. Without one no key is needed, so that who only looks asks the database nothing."""
        if not request.cookies.get(self.get_cookie_name(app)):
            return self.session_class()
        return super().open_session(app, request)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Give what signs and checks cookies."""
        load_key(app)
        return super().get_signing_serializer(app)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Say whether the browser may send the cookie over https only."""
        return request.is_secure or _context(app).settings.url.startswith("https:")


def install(app: Flask) -> None:
    """Keep the application's cookies this way."""
    settings = _context(app).settings
    host_only = "__Host-" if settings.url.startswith("https:") else ""
    app.session_interface = Cookies()
    app.extensions[MEMORY] = Memory[Identity | None]()
    app.config.update(
        # By this prefix browsers take the cookie from this host only, over https, not from another one of its domain.
        SESSION_COOKIE_NAME=f"{host_only}headframe_{settings.instance}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=int(settings.access.session_hours * 3600),
    )


def load_key(app: Flask) -> None:
    """Read the shared key, once. Raises `DatabaseUnavailableError`."""
    if app.secret_key is None:
        with explained(), _context(app).engine.begin() as connection:
            app.secret_key = web_key(connection)


def knower(app: Flask) -> Identity | None:
    """Know who asks by the session that their cookie names."""
    if app.config["SESSION_COOKIE_NAME"] not in request.cookies or SESSION not in session:
        return None
    memory: Memory[Identity | None] = app.extensions[MEMORY]
    secret = str(session[SESSION])
    found = memory.get(digest(secret), lambda: _known(secret))
    ended = found is None or (found.expires_at is not None and found.expires_at <= datetime.now(UTC))
    return None if ended else found


def sign_in(app: Flask, found: Identity, *, source: str, how: str) -> None:
    """Begin a session and put its id into a new cookie: what was in the old one ends here."""
    sign_out(app, ended=None)
    hours = here().settings.access.session_hours
    with changing() as connection:
        secret = sessions.begin(
            connection, found.name, hours, how=how, source=source, display=found.display, roles=found.roles,
            browser=request.user_agent.string[:BROWSER_CHARACTERS], address=request.remote_addr or "",
        )  # fmt: skip
    session.permanent = True
    session[SESSION] = secret


def sign_out(app: Flask, ended: Identity | None) -> None:
    """Empty the cookie and end the session, not only for this browser."""
    session.clear()
    if ended is not None and ended.how == "session":
        with changing() as connection:
            sessions.end(connection, ended.number, ended.owner, address=request.remote_addr or "")
    forget(app)


def forget(app: Flask) -> None:
    """Ask the database again for every session: something about one has changed."""
    memory: Memory[Identity | None] = app.extensions[MEMORY]
    memory.forget()


def _known(secret: str) -> Identity | None:
    with reading() as connection:
        guest = sessions.open_one(connection, secret)
    if guest is None:
        return None
    if guest.stale:
        with changing() as connection:
            sessions.seen(connection, guest.id)
    return Identity(
        name=guest.name, roles=guest.roles, how="session", display=guest.display, source=guest.source, number=guest.id,
        expires_at=guest.expires_at,
    )  # fmt: skip


def _context(app: Flask) -> Context:
    context: Context = app.extensions[KEY]
    return context
