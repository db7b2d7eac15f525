"""Runs, newest number first, each with the counts of its files."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, true

from ..schema import campaign, item, run
from .counts import GOOD, Count, by_phase, by_run, by_state, standing
from .fields import View
from .paging import Listed, Page, listed

began = func.coalesce(run.c.started_at, run.c.created_at)
"""When a run started, or was first heard of where nobody has said that."""


class RunRow(View):
    """A run and how far its files are.

    `missing` is `expected - registered - waived`, none while the detector has not said how many it expects.
    `states` and `phases` count files, `files` counts them by state and then phase; `copies` counts readable
    replicas by site and then role (`raw`, or the step that made the content). `cataloged` counts files that
    have reached their last state.
    """

    id: int
    number: int
    kind: str
    campaign: str
    state: str
    phase: str
    step: str
    started: datetime | None
    ended: datetime | None
    closed: datetime | None
    expected: int | None
    registered: int
    waived: int
    missing: int | None
    files: dict[str, dict[str, int]]
    states: dict[str, int]
    phases: dict[str, int]
    failed: int
    held: int
    abandoned: int
    cataloged: int
    copies: dict[str, dict[str, int]]
    quality: str
    since: datetime | None
    reason_code: str
    reason: str
    item: int | None


PLAIN = ("id", "number", "started", "ended", "closed", "expected", "waived", "quality", "since", "item")
NAMED = ("kind", "campaign", "state", "phase", "step", "reason_code", "reason")


def counted(conn: Connection, rows: Sequence[Row[Any]], page: Page, *names: str) -> Listed[RunRow]:
    """Make a page of runs from their rows, with one question for all counts; `names` make the cursor."""
    counts = by_run(conn, [row.id for row in rows])
    return listed(rows, page, lambda row: _made(row, counts[row.id]), *names or ("number",))


@cache
def selected() -> Select[Any]:
    """Give the question for runs with their own item; a lateral join, so that items are found by index only."""
    own = (
        select(item)
        .where(item.c.campaign_id == run.c.campaign_id, item.c.run_id == run.c.id, item.c.file_id.is_(None))
        .limit(1)
        .lateral("own")
    )
    columns = [
        *(run.c[name] for name in ("id", "number", "kind", "expected", "waived", "quality", "campaign_id")),
        run.c.started_at.label("started"),
        run.c.ended_at.label("ended"),
        run.c.closed_at.label("closed"),
        began.label("began"),
        campaign.c.name.label("campaign"),
        own.c.id.label("item"),
        *(own.c[name] for name in ("state", "phase", "step", "since", "reason_code", "reason")),
    ]
    tables = run.outerjoin(campaign, campaign.c.id == run.c.campaign_id).outerjoin(own, true())
    return select(*columns).select_from(tables)


def _made(row: Row[Any], counts: list[Count]) -> RunRow:
    files = standing(c for c in counts if c.scope == "file" and c.campaign_id == row.campaign_id)
    phases = by_phase(files)
    copies: dict[str, dict[str, int]] = {}
    for c in counts:
        if c.scope == "replica" and c.phase in GOOD:
            roles = copies.setdefault(c.site, {})
            roles[c.state] = roles.get(c.state, 0) + c.n
    registered = sum(phases.values())
    expected = row.expected
    plain: dict[str, Any] = {name: getattr(row, name) for name in PLAIN}
    words: dict[str, Any] = {name: getattr(row, name) or "" for name in NAMED}
    return RunRow(
        **plain,
        **words,
        registered=registered,
        missing=None if expected is None else max(0, expected - registered - row.waived),
        files=files,
        states=by_state(files),
        phases=phases,
        failed=phases.get("failed", 0),
        held=phases.get("held", 0),
        abandoned=phases.get("abandoned", 0),
        cataloged=phases.get("done", 0),
        copies=copies,
    )
