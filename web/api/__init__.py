"""The REST API under /api/v1: what programs ask and do, described by an OpenAPI document made from this code."""

from flask import Flask

from . import document, runs

RESOURCES = (runs,)


def install(app: Flask) -> None:
    """Add the resources and the document that describes them."""
    for resource in RESOURCES:
        app.register_blueprint(resource.blueprint)
    document.install(app)
