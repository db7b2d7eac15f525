"""The Flask application: made from what it is given, with no configuration reading and nothing global."""

from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import Engine

from . import display, health, metrics, problems, security
from .context import KEY, Context
from .pages import dead, file, files, run, runs

BODY_LIMIT = 1 << 20
PAGES = (runs, run, files, file, dead)


def create_app(engine: Engine, *, instance: str, timezone: str = "UTC", title: str = "headframe") -> Flask:
    """Make the application for an instance's database; `timezone` is the site's, by its IANA name.

    Nothing is connected yet. Raises `zoneinfo.ZoneInfoNotFoundError` for an unknown zone.
    """
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=BODY_LIMIT, TRAP_HTTP_EXCEPTIONS=False)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.extensions[KEY] = Context(engine=engine, instance=instance, zone=ZoneInfo(timezone), title=title)
    for part in (security, problems, display, health, metrics):
        part.install(app)
    for page in PAGES:
        app.register_blueprint(page.blueprint)
    return app
