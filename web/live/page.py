"""A page and its changing parts from one template, so that what refreshes is what was there at first.

`pages/x.html` says what surrounds the parts; `x_parts.html` says the parts, each an element with `id` and
`data-part`. `?part=1` gives the parts alone, and 304 while they are the same.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Response, g, make_response, render_template, request

from ..context import here
from ..display import local_clock
from . import parts

REFRESH_S = 3
"""How often a page asks by itself where it gets no stream."""


TOPICS = {
    "runs": ("runs", "processes", "sites", "dead-letters", "alerts"),
    "dead": ("dead-letters",),
    "operations": ("operations",),
    "campaigns": ("campaigns", "runs"),
    "workers": ("processes", "pauses", "pilots", "runs"),
    "pilots": ("pilots", "processes", "pauses", "runs"),
    "queues": ("processes", "pauses", "runs"),
    "sites": ("sites", "pauses", "runs"),
    "alerts": ("alerts",),
    "failures": ("runs",),
    "latency": ("runs",),
}
"""What the page of a blueprint is told of (`statemachine.views.news`); those of one run are told of that."""


def live_page(name: str, **values: Any) -> Response:
    """Render a page, or its parts where only they are asked for, with the time that they show.

    A value `topics` is what it is told of, where that is not what `TOPICS` says; everything, where neither says it.
    """
    as_of = local_clock(datetime.now(UTC), here().zone)
    topics = values.pop("topics", None) or _topics()
    if request.args.get("part"):
        return parts.keep(render_template(f"{name}_parts.html", **values), as_of, topics).answer()
    live = {"live_s": REFRESH_S, "live_topics": ",".join(topics), "live_since": g.get("position", "")}
    response = make_response(render_template(f"{name}.html", as_of=as_of, **live, **values))
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _topics() -> tuple[str, ...]:
    blueprint, number = request.blueprint or "", (request.view_args or {}).get("number")
    if blueprint in ("run", "files") and number is not None:
        return (f"run:{number}",)
    return TOPICS.get(blueprint, ())
