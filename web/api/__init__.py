"""The REST API under /api/v1: what programs ask and do, described by an OpenAPI document made from this code."""

from flask import Flask

from ..asgi import LARGEST_BODY
from . import (
    access_events,
    alerts,
    arrivals,
    audit,
    body,
    browse,
    campaigns,
    document,
    files,
    launchers,
    letters,
    logs,
    lookup,
    me,
    measures,
    notes,
    operations,
    pausing,
    pilots,
    records,
    runs,
    service,
    usage,
    words,
    workers,
)

RESOURCES = (
    runs,
    lookup,
    files,
    records,
    service,
    letters,
    operations,
    audit,
    me,
    access_events,
    logs,
    words,
    arrivals,
    pausing,
    campaigns,
    browse,
    notes,
    measures,
    usage,
    workers,
    pilots,
    launchers,
    alerts,
)


def install(app: Flask) -> None:
    """Add the resources and the document that describes them."""
    app.url_map.converters["number"] = document.Number
    body.install(app)
    app.config[LARGEST_BODY] = arrivals.LARGEST_BODY
    for resource in RESOURCES:
        app.register_blueprint(resource.blueprint)
    document.install(app)
