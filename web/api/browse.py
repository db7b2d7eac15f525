"""/api/v1/docs: the OpenAPI document to browse and to try, with Swagger UI from its package; nothing from elsewhere."""

from flask import Blueprint, Response, make_response, render_template

from ..access.identity import needs
from ..security import POLICY
from .document import PREFIX

IMAGES = POLICY.replace("img-src 'self'", "img-src 'self' data:")
"""Its style sheet has its few small pictures within itself."""
blueprint = Blueprint("api_browse", __name__, url_prefix=PREFIX)


@blueprint.get("/docs")
@needs(None)
def show() -> Response:
    """Show the page."""
    response = make_response(render_template("api_docs.html"))
    response.headers["Content-Security-Policy"] = IMAGES
    return response
