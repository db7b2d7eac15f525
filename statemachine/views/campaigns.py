"""Campaigns, the newest first, with how far they are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, Select, func, select

from ..records import Record
from ..schema import campaign, item, pipeline
from .counts import Count, by_phase, by_state, standing, totals
from .fields import View
from .forecast import MOVING, Forecast, forecast_campaigns
from .paging import Listed, Page, key, listed, size

Order = Literal["-started", "started", "name", "-name"]
"""Ways to sort campaigns, `-` for falling."""


class CampaignFilter(Record):
    """Which campaigns. Empty means all; `text` is any part of the name, in small letters or capitals."""

    name: str | None = None
    text: str | None = None
    status: str | None = None
    kind: str | None = None


class CampaignRow(View):
    """A campaign: a pipeline at one version over a set of runs. The numbers count files.

    `status` is making, open, paused or closed, since when, by whom and why the `status_...` say. `query` is what
    chose its runs, `left_out` counts the files that fit and could not start when it last took runs in, by why; both are
    empty for realtime campaigns, which take in all that arrives. `left` are the files that still move, `files` counts
    them all by state and then phase; `samples` counts the runs by run type. `p50` and `p90` forecast when what is left
    will be done, as likely sooner as later and nine times in ten, held up by step `bottleneck`; none where nothing is
    left or nobody can say.
    """

    id: int
    name: str
    pipeline: str
    version: str
    kind: str
    lane: str
    weight: int
    status: str
    created_by: str
    created_at: datetime
    note: str
    start_state: str
    query: dict[str, Any]
    left_out: dict[str, int]
    status_by: str
    status_reason: str
    status_since: datetime | None
    runs: int
    total: int
    done: int
    left: int
    failed: int
    held: int
    abandoned: int
    states: dict[str, int]
    phases: dict[str, int]
    files: dict[str, dict[str, int]]
    samples: dict[str, int]
    p50: datetime | None
    p90: datetime | None
    bottleneck: str


ASKED = ("samples", "p50", "p90", "bottleneck")
COUNTED = ("runs", "total", "done", "left", "failed", "held", "abandoned", "states", "phases", "files", *ASKED)


def campaigns(
    conn: Connection,
    page: Page | None = None,
    where: CampaignFilter | None = None,
    *,
    name: str | None = None,
    order: Order = "-started",
) -> Listed[CampaignRow]:
    """List campaigns with the counts of their files, in the order in which they were begun or of their names."""
    found = _counted(conn, page or Page(), where or CampaignFilter(name=name), order)
    ends = _ends(conn, found.rows)
    return Listed(tuple(_ending(row, ends.get(row.id)) for row in found.rows), found.next)


def campaign_of(conn: Connection, name: str) -> CampaignRow | None:
    """Give one campaign, none where there is none of that name."""
    rows = campaigns(conn, name=name).rows
    return rows[0] if rows else None


def campaign_and_forecast(conn: Connection, name: str) -> tuple[CampaignRow, Forecast | None] | None:
    """Give one campaign with when its rest will be done; none where there is none of that name."""
    rows = _counted(conn, Page(), CampaignFilter(name=name), "-started").rows
    if not rows:
        return None
    end = _ends(conn, rows).get(rows[0].id)
    return _ending(rows[0], end), end


def _counted(conn: Connection, page: Page, where: CampaignFilter, order: Order) -> Listed[CampaignRow]:
    falling, by_name = order.startswith("-"), order.endswith("name")
    column = campaign.c.name if by_name else campaign.c.id
    wanted = _filtered(where)
    after = key(page, str) if by_name else key(page, int)
    if after is not None:
        wanted = wanted.where(column < after[0] if falling else column > after[0])
    rows = conn.execute(wanted.order_by(column.desc() if falling else column).limit(size(page))).all()
    ids = [row.id for row in rows]
    counts, samples = by_campaign(conn, ids), samples_of(conn, ids)
    return listed(rows, page, lambda row: _made(row, counts[row.id], samples[row.id]), column.name)


def _ends(conn: Connection, rows: Sequence[CampaignRow]) -> dict[int, Forecast]:
    """Forecast those of which something is left."""
    return forecast_campaigns(conn, {row.id: row.files for row in rows if row.left})


def is_campaign(conn: Connection, name: str) -> bool:
    """Say whether there is a campaign of that name."""
    return conn.execute(select(campaign.c.id).where(campaign.c.name == name)).first() is not None


def by_campaign(conn: Connection, ids: list[int]) -> dict[int, list[Count]]:
    """Give the counts of files and runs of each of these campaigns."""
    found: dict[int, list[Count]] = {each: [] for each in ids}
    for count in totals(conn, scope=("file", "run"), campaigns=ids) if ids else ():
        found[count.campaign_id].append(count)
    return found


def samples_of(conn: Connection, ids: list[int]) -> dict[int, dict[str, int]]:
    """Count the runs of each of these campaigns by run type."""
    found: dict[int, dict[str, int]] = {each: {} for each in ids}
    own = item.c.campaign_id
    counted = select(own, item.c.kind, func.count().label("n")).where(item.c.scope == "run", own.in_(ids))
    for row in conn.execute(counted.group_by(own, item.c.kind).order_by(item.c.kind)) if ids else ():
        found[row.campaign_id][row.kind] = row.n
    return found


def _filtered(where: CampaignFilter) -> Select[Any]:
    joined = campaign.join(pipeline, pipeline.c.id == campaign.c.pipeline_id)
    wanted = select(campaign, pipeline.c.name.label("pipeline"), pipeline.c.version).select_from(joined)
    for column, value in (
        (campaign.c.name, where.name),
        (campaign.c.status, where.status),
        (campaign.c.kind, where.kind),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if where.text:
        wanted = wanted.where(campaign.c.name.icontains(where.text, autoescape=True))
    return wanted


def _ending(row: CampaignRow, end: Forecast | None) -> CampaignRow:
    if end is None:
        return row
    return msgspec.structs.replace(row, p50=end.p50, p90=end.p90, bottleneck=end.bottleneck)


def _made(row: Row[Any], counts: list[Count], samples: dict[str, int]) -> CampaignRow:
    files = standing(count for count in counts if count.scope == "file")
    phases = by_phase(files)
    plain = {name: row._mapping[name] for name in CampaignRow.__struct_fields__ if name not in COUNTED}
    return CampaignRow(
        **plain,
        runs=sum(count.n for count in counts if count.scope == "run"),
        total=sum(phases.values()),
        left=sum(phases.get(phase, 0) for phase in MOVING),
        states=by_state(files),
        phases=phases,
        files=files,
        done=phases.get("done", 0),
        failed=phases.get("failed", 0),
        held=phases.get("held", 0),
        abandoned=phases.get("abandoned", 0),
        samples=samples,
        p50=None,
        p90=None,
        bottleneck="",
    )
