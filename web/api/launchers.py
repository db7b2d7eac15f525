"""What launchers say: which pilots they are about to submit, and, each round, what they have seen of them.

Both may be sent again at any time: a token stands for one pilot, and what was seen only ever goes forward. So no
answer is kept for a key.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from msgspec import Meta
from werkzeug.exceptions import BadRequest

from ...statemachine.piloting import Orders, PilotSeen, PilotWish, Round
from ...statemachine.store import pilots
from ...statemachine.views import LauncherRow, Listed, launchers
from ...statemachine.wording import plural
from ..access.identity import Role, needs
from ..context import changing, reading
from . import asked as asks
from .answer import Rows, as_json, rows
from .body import takes
from .document import PREFIX, gives
from .done import Done

MOST_WISHES = 1000
LARGEST_BODY = 8 << 20
LONGEST_NAME = 100
blueprint = APIBlueprint("api_launchers", __name__, url_prefix=PREFIX, tag="pilots")

PILOT = "hf-headframe-5f0c9a1b2d3e4f60"
WISH = {
    "token": PILOT,
    "name": "reco",
    "steps": ["reconstruct"],
    "request": {"partition": "realtime", "walltime": "2:00:00"},
}
ROUND = {
    "host": "login1",
    "owner": "0a1b2c3d4e5f",
    "back_end": "commands",
    "cluster": "perlmutter",
    "names": ["reco"],
    "interval_s": 10,
    "wanted": {"reco": 3},
    "seen": [{"token": PILOT, "status": "running", "job": "4711", "node": "nid004242"}],
}


@blueprint.get("/launchers")
@blueprint.input(asks.One, location="query")
@gives(Rows[LauncherRow])
def list_launchers(query_data: dict[str, Any]) -> Response:
    """List launchers that were heard of in the last week: whether they live, what they keep, want and do not get."""
    with reading() as connection:
        found = launchers(connection)
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.post("/launchers/<launcher>/pilots")
@gives(Done, refuses=(409,))
@takes(Annotated[list[PilotWish], Meta(max_length=MOST_WISHES)], [WISH], LARGEST_BODY)
@needs(Role.LAUNCHER)
def intend_pilots(launcher: str, asked: list[PilotWish]) -> Response:
    """Write down, as a launcher, pilots that are about to be submitted; the same again changes nothing."""
    _check_name(launcher)
    with changing() as connection:
        new = pilots.intend(connection, launcher, asked)
    known = len(asked) - new
    sentence = f"{plural(new, 'pilot')} written down" + (f"; {known} known already" if known else "")
    return as_json(Done(done=sentence, changed=new, link="/pilots", dry_run=False))


@blueprint.post("/launchers/<launcher>/round")
@gives(Orders, refuses=(409,))
@takes(Round, ROUND, LARGEST_BODY)
@needs(Role.LAUNCHER)
def round_of_launcher(launcher: str, asked: Round) -> Response:
    """Say, as a launcher, what was seen of its pilots; get what is known of them, and of the work that waits."""
    _check_name(launcher)
    for seen in asked.seen:
        _check_times(seen.token, _times(seen))
    with changing() as connection:
        orders = pilots.see(connection, launcher, asked)
    return as_json(orders)


def _check_name(launcher: str) -> None:
    if len(launcher) > LONGEST_NAME or not launcher.isprintable():
        raise BadRequest(f"the name of a launcher has up to {LONGEST_NAME} printable characters")


def _times(seen: PilotSeen) -> Iterable[datetime | None]:
    return seen.submitted_at, seen.started_at, seen.ends_at, seen.ended_at


def _check_times(token: str, times: Iterable[datetime | None]) -> None:
    for moment in times:
        if moment is not None and not 1970 < moment.year <= 2262:
            raise BadRequest(f"{token}: {moment.isoformat()} is no time of a job; give a year from 1971 to 2262")
