"""The Flask application: made from what it is given, with no configuration reading and nothing global."""

from zoneinfo import ZoneInfo

from apiflask import APIFlask
from flask import Flask
from sqlalchemy import Engine

from . import api, asgi, display, health, metrics, navigation, problems, request_id, security, vendor
from .access import identity, setup
from .context import KEY, Context
from .live import parts, route
from .pages import (
    account,
    act,
    alerts,
    campaign_form,
    campaigns,
    compare,
    dead,
    failures,
    file,
    files,
    latency,
    notes,
    operation,
    operations,
    people,
    pilots,
    queues,
    run,
    runs,
    sites,
    status,
    workers,
)
from .settings import Settings

VERSION = "1"
BODY_LIMIT = 1 << 20
PARTS = (
    request_id,
    security,
    problems,
    display,
    navigation,
    health,
    metrics,
    asgi,
    setup,
    parts,
    api,
    vendor,
)
PAGES = (
    runs,
    act,
    run,
    notes,
    files,
    file,
    dead,
    status,
    alerts,
    workers,
    pilots,
    queues,
    sites,
    operations,
    operation,
    account,
    campaign_form,
    campaigns,
    people,
    latency,
    failures,
    compare,
    route,
)


def create_app(engine: Engine, settings: Settings) -> Flask:
    """Make the application for an instance's database. Nothing is connected yet.

    Raises `zoneinfo.ZoneInfoNotFoundError` for an unknown zone.
    """
    app = APIFlask(__name__, title=settings.title, version=VERSION, json_errors=False, docs_path=None, spec_path=None)
    app.config.update(MAX_CONTENT_LENGTH=BODY_LIMIT, TRAP_HTTP_EXCEPTIONS=False)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.extensions[KEY] = Context(engine=engine, settings=settings, zone=ZoneInfo(settings.timezone))
    for part in PARTS:
        part.install(app)
    for page in PAGES:
        app.register_blueprint(page.blueprint)
    if strays := identity.unmarked(app):
        raise RuntimeError(f"these routes can change something and do not say whom they let: {', '.join(strays)}")
    return app
