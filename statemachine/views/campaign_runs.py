"""The runs of a campaign, those that were taken last first, each with how far its files are in it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ..schema import campaign, item, run
from .counts import Count, by_phase, by_run, by_state, standing
from .fields import View
from .paging import Listed, Page, key, listed, size


class CampaignRun(View):
    """A run within a campaign: where its own item is there, and its files there. The numbers count files."""

    campaign: str
    run: int
    kind: str
    quality: str
    started: datetime | None
    state: str
    phase: str
    since: datetime
    reason: str
    total: int
    done: int
    failed: int
    held: int
    abandoned: int
    states: dict[str, int]
    files: dict[str, dict[str, int]]


def campaign_runs(conn: Connection, name: str, page: Page | None = None) -> Listed[CampaignRun]:
    """List the runs of a campaign; none where there is no such campaign."""
    page = page or Page()
    wanted = (
        select(
            campaign.c.name.label("campaign"),
            campaign.c.id.label("campaign_id"),
            run.c.id,
            run.c.number,
            run.c.quality,
            run.c.started_at,
            *(item.c[name] for name in ("kind", "state", "phase", "since", "reason")),
        )
        .join(item, item.c.campaign_id == campaign.c.id)
        .join(run, run.c.id == item.c.run_id)
        .where(campaign.c.name == name, item.c.scope == "run")
        .order_by(item.c.run_id.desc())
        .limit(size(page))
    )
    after = key(page, int)
    if after is not None:
        wanted = wanted.where(item.c.run_id < after[0])
    rows = conn.execute(wanted).all()
    counts = by_run(conn, [row.id for row in rows])
    return listed(rows, page, lambda row: _made(row, counts[row.id]), "id")


def _made(row: Row[Any], counts: list[Count]) -> CampaignRun:
    files = standing(each for each in counts if each.scope == "file" and each.campaign_id == row.campaign_id)
    phases = by_phase(files)
    return CampaignRun(
        **{name: getattr(row, name) for name in ("campaign", "kind", "quality", "state", "phase", "since", "reason")},
        run=row.number,
        started=row.started_at,
        total=sum(phases.values()),
        states=by_state(files),
        files=files,
        done=phases.get("done", 0),
        failed=phases.get("failed", 0),
        held=phases.get("held", 0),
        abandoned=phases.get("abandoned", 0),
    )
