"""`/pilots`: launchers, what work wants of them, the jobs that run workers; `/pilots/<number>`: one of those."""

from collections import Counter
from datetime import datetime

import msgspec
from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as Redirect

from ...statemachine.piloting import OVER, PilotStatus
from ...statemachine.store import pilots as store
from ...statemachine.views import AttemptFilter, Page, PilotRow, WorkerFilter, attempts, demand, pilot, pilots, workers
from ...statemachine.views.launchers import launchers_and_nodes, pilots_of_jobs, recent_pilots
from ...statemachine.views.pilot_work import work_of_pilots
from .. import ages, asked, piloting
from ..access.identity import Role, needs
from ..context import changing, reading
from ..live import live_page
from . import acting

ROWS = 100
TRIED = 50
SHOWS = {"live": True, "over": False, "all": None}
SAYS = {
    store.DRAIN: "Its workers finish what they do, hand back what they have not begun, and leave; one that has not "
    "begun is cancelled. Its launcher does it in its next round.",
    store.CANCEL: "Its job is ended now: what its workers do is taken back, costs the files nothing, and is done "
    "elsewhere. Its launcher does it in its next round.",
}
blueprint = Blueprint("pilots", __name__)
blueprint.add_app_template_filter(ages.lasting, "coarsely")


@blueprint.get("/pilots")
def show() -> Response:
    """List pilots, those that are not over unless others are asked for."""
    page, which = asked.page(ROWS), asked.word("show") or "live"
    if which not in SHOWS:
        raise BadRequest(f"show: {which} is none of {', '.join(SHOWS)}.")
    where = {name: asked.word(name) for name in ("launcher", "name", "status")}
    live = SHOWS[which] if where["status"] is None else None
    with reading() as connection:
        launchers, nodes = launchers_and_nodes(connection)
        listed = pilots(connection, page, **where, live=live)
        work = work_of_pilots(connection, [row.token for row in listed.rows if row.status == "running"])
        known = recent_pilots(connection)
        wanted = piloting.beside(demand(connection), known) if launchers or known else []
    return live_page(
        "pilots",
        lines=[piloting.line(row, work.get(row.token, ())) for row in listed.rows],
        moving=any(row.status not in OVER for row in listed.rows),
        following=listed.next,
        page=page,
        where=where,
        which=which,
        shows=tuple(SHOWS),
        statuses=tuple(PilotStatus),
        names=sorted({each.name for each in known} | {name for each in launchers for name in each.names}),
        launchers=launchers,
        ever=bool(launchers or known),
        nodes=nodes,
        wanted=wanted,
        operator=acting.operator(),
        did=acting.did(),
    )


@blueprint.get("/pilots/<number:number>")
def one(number: int) -> Response:
    """Show one pilot: what was asked for, how it went, its workers, what it worked on."""
    with reading() as connection:
        row = _found(connection, number)
        own = workers(connection, WorkerFilter(pilot=number, every=True), Page(limit=ROWS)).rows
        tried = attempts(connection, AttemptFilter(pilot=number), Page(limit=TRIED)).rows if row.job else ()
    reasons = Counter((each.step, each.reason_code) for each in tried if each.outcome not in ("succeeded", "skipped"))
    tellable = acting.operator() and row.status not in OVER
    return live_page(
        "pilot",
        row=row,
        line=piloting.line(row, ()),
        queued_s=_seconds(row.submitted_at, row.started_at),
        ran_s=_seconds(row.started_at, row.ended_at),
        workers=own,
        attempts=tried,
        ended=Counter(each.outcome for each in tried).most_common(),
        reasons=reasons.most_common(10),
        tellable=tellable,
        act=_act(row) if tellable else None,
        did=acting.did(),
    )


@blueprint.post("/pilots/<number:number>")
@needs(Role.OPERATOR)
def change(number: int) -> Response:
    """Have a pilot drained or cancelled."""
    word, why = acting.field("act"), acting.reason()
    if word not in SAYS:
        raise BadRequest("This form asks for an action that there is not.")
    with changing() as connection:
        store.tell(connection, number, word, acting.actor(), why)
    return acting.back("pilots.one", f"pilot-{word}", number=number)


@blueprint.get("/pilots/of-job/<job>")
def of_job(job: str) -> Redirect:
    """Lead to the pilot that a job was, the latest of that number."""
    with reading() as connection:
        found = pilots_of_jobs(connection, [job]) if asked.fits(job) else {}
    if job not in found:
        raise NotFound(f"Job {job[:100]} was no pilot of this instance: its workers were started by somebody else.")
    return redirect(url_for("pilots.one", number=found[job].id))


def _found(connection: Connection, number: int) -> PilotRow:
    found = pilot(connection, number)
    if found is None:
        raise NotFound(f"There is no pilot {number} here.")
    return found


def _seconds(since: datetime | None, until: datetime | None) -> float | None:
    return None if since is None or until is None else max(0.0, (until - since).total_seconds())


def _act(row: PilotRow) -> acting.Act | None:
    """Give the form that the address asks for; none where it asks for none."""
    word = request.args.get("act", "")
    if word not in SAYS:
        return None
    because = msgspec.json.encode({"reason": "..."}).decode()
    return acting.Act(
        verb=word,
        title=f"{word} pilot {row.id}".capitalize() + (f", job {row.job}" if row.job else ""),
        says=SAYS[word],
        fields={"act": word},
        command=f"headframe pilots {word} {row.id}",
        curl=acting.twin("POST", f"/pilots/{row.id}/{word}", because),
    )
