"""/vendor: scripts and styles that come with installed packages; their version is in the address, so they stay cached.

In a template: `{{ vendored("uplot.js") }}`.
"""

from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import NamedTuple

from flask import Blueprint, Flask, Response, url_for
from werkzeug.exceptions import NotFound

from .access.identity import needs

YEAR = "public, max-age=31536000, immutable"
TYPES = {"js": "text/javascript", "css": "text/css", "png": "image/png"}
blueprint = Blueprint("vendor", __name__)


class Vendored(NamedTuple):
    """A file that a distribution installs: below which package, at which path."""

    distribution: str
    package: str
    path: str


VENDORED = {
    "uplot.js": Vendored("youplot", "youplot", "vendor/uplot.iife.min.js"),
    "uplot.css": Vendored("youplot", "youplot", "vendor/uplot.min.css"),
    "swagger-ui.js": Vendored("flask-swagger-ui", "flask_swagger_ui", "dist/swagger-ui-bundle.js"),
    "swagger-ui.css": Vendored("flask-swagger-ui", "flask_swagger_ui", "dist/swagger-ui.css"),
}


def install(app: Flask) -> None:
    """Serve the files, and tell templates their addresses."""
    app.register_blueprint(blueprint)
    app.add_template_global(vendored)


def vendored(name: str) -> str:
    """Give the address of a file of this name. Raises `KeyError`."""
    return url_for("vendor.show", edition=version(VENDORED[name].distribution), name=name)


@blueprint.get("/vendor/<edition>/<name>")
@needs(None)
def show(edition: str, name: str) -> Response:
    """Give a file. Another edition than the installed one is not here, so nobody caches the wrong one."""
    found = VENDORED.get(name)
    if found is None or edition != version(found.distribution):
        raise NotFound
    response = Response(_content(found), mimetype=TYPES[name.rpartition(".")[2]])
    response.headers["Cache-Control"] = YEAR
    return response


@cache
def _content(found: Vendored) -> bytes:
    return files(found.package).joinpath(found.path).read_bytes()
