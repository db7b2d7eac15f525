"""`/workers`: who lives, what each worker does, who is silent or paused; `/workers/<owner>`: one of them."""

from collections import Counter

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from ...statemachine.views import WorkerFilter, attempts_by, pauses, roles, worker, workers
from .. import asked
from ..access.identity import Role, needs
from ..context import reading
from ..live import live_page
from . import acting, pausing

ROWS = 100
WHATS = ("worker", "node")
STANDINGS = ("working", "idle", "paused", "draining", "silent", "left", "running")
blueprint = Blueprint("workers", __name__)


@blueprint.get("/workers")
def show() -> Response:
    """List processes, those heard of in the last hour unless all are asked for."""
    where = WorkerFilter(
        role=asked.word("role"),
        host=asked.word("host"),
        standing=asked.word("standing"),
        every=asked.word("all") is not None,
    )
    page = asked.page(ROWS)
    with reading() as connection:
        listed = workers(connection, where, page)
        counted = roles(connection)
        aside = [row for row in pauses(connection) if row.what == "node"]
    return live_page(
        "workers",
        rows=listed.rows,
        following=listed.next,
        page=page,
        where=where,
        roles=counted,
        aside=aside,
        standings=STANDINGS,
        operator=acting.operator(),
        act=pausing.offered(WHATS),
        did=acting.did(),
    )


@blueprint.post("/workers")
@needs(Role.OPERATOR)
def act() -> Response:
    """Pause a worker or a node, let it go on, or have a worker leave."""
    return acting.back("workers.show", pausing.carried_out(WHATS))


@blueprint.get("/workers/<owner>")
def one(owner: str) -> Response:
    """Show one process: what it does, what it did last, how that ended."""
    with reading() as connection:
        found = worker(connection, owner) if "\0" not in owner else None
        if found is None:
            raise NotFound("There is no such process here; who is silent for a week is forgotten.")
        tried = attempts_by(connection, found.host, found.owner) if found.role == "worker" else ()
    ended = Counter(each.outcome for each in tried)
    reasons = Counter((each.step, each.reason_code) for each in tried if each.outcome != "succeeded")
    return live_page(
        "worker",
        row=found,
        attempts=tried,
        ended=ended.most_common(),
        reasons=reasons.most_common(10),
        operator=acting.operator(),
    )
