"""`/sites`: what lies where, how much room is left, what waits to be copied, what is paused."""

from datetime import datetime
from typing import NamedTuple

from flask import Blueprint, Response

from ...statemachine.views import PauseRow, SiteRow, pauses, sites
from ..access.identity import Role, needs
from ..ages import since
from ..context import reading
from ..live import live_page
from . import acting, pausing

WHATS = ("site",)
STALE_S = 600
LITTLE, SCARCE = 0.05, 0.15
blueprint = Blueprint("sites", __name__)


class Line(NamedTuple):
    """A site as its row shows it. `room` names the colour of its space; `measured` is when and where, if at all."""

    site: SiteRow
    used: float | None
    room: str
    measured: datetime | None
    stale: bool
    paused: PauseRow | None


@blueprint.get("/sites")
def show() -> Response:
    """Show all sites."""
    with reading() as connection:
        rows = sites(connection)
        paused = {row.name: row for row in pauses(connection) if row.what == "site"}
    return live_page(
        "sites",
        lines=[line(row, paused.get(row.name)) for row in rows],
        operator=acting.operator(),
        act=pausing.offered(WHATS),
        did=acting.did(),
        since=since,
    )


@blueprint.post("/sites")
@needs(Role.OPERATOR)
def act() -> Response:
    """Pause a site, or let it go on."""
    return acting.back("sites.show", pausing.carried_out(WHATS))


def line(row: SiteRow, paused: PauseRow | None) -> Line:
    """Make a site's line."""
    free, at = row.share_free, row.measured_at
    room = "failed" if free is not None and free < LITTLE else "held" if free is not None and free < SCARCE else "l3"
    stale = at is not None and (datetime.now(at.tzinfo) - at).total_seconds() > STALE_S
    used = None if free is None else round(100 * (1 - free), 1)
    return Line(row, used, room, at, stale, paused)
