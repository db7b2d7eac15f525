"""`/live/events`, as Flask sees it: whether who asks may look, and whether what they ask makes sense.

The stream itself lasts, and would take a thread: `web/asgi.py` asks here first, and streams where this answers 204.
Under another server 204 is all that comes: a browser then stops asking for a stream, and the page polls.
"""

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from . import asked

PATH = "/live/events"
blueprint = Blueprint("live", __name__)


@blueprint.get(PATH)
def events() -> Response:
    """Check a viewer, at the beginning of a stream and from time to time while it lasts."""
    try:
        asked.topics(request.args.get("topics", ""))
    except ValueError as error:
        raise BadRequest(f"topics: {error}.") from error
    return Response(status=204)
