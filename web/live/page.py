"""A page and its changing parts from one template, so that what refreshes is what was there at first.

`pages/x.html` says what surrounds the parts; `x_parts.html` says the parts, each an element with `id` and
`data-part`. `?part=1` gives the parts alone, and 304 while they are the same.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Response, make_response, render_template, request

from ..context import here
from ..display import local_clock

REFRESH_S = 3


def live_page(name: str, **values: Any) -> Response:
    """Render a page, or its parts where only they are asked for, with the time that they show."""
    as_of = local_clock(datetime.now(UTC), here().zone)
    if request.args.get("part"):
        response = make_response(render_template(f"{name}_parts.html", **values))
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["X-As-Of"] = as_of
        response.add_etag()
        response.make_conditional(request)
        return response
    response = make_response(render_template(f"{name}.html", as_of=as_of, live_s=REFRESH_S, **values))
    response.headers["Cache-Control"] = "private, no-cache"
    return response
