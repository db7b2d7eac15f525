"""How the command line shows a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...statemachine.store.campaign_plan import sentence
from ...statemachine.store.campaign_query import RunChoice, said
from .columns import Column, counted, field
from .text import Screen

if TYPE_CHECKING:
    from datetime import tzinfo

    from ...statemachine.views import CampaignRow, CampaignRun, Listed

RUNS = (
    field("RUN", kind="number"),
    field("TYPE", "kind"),
    field("STATE", kind="phase"),
    field("PHASE", kind="phase"),
    field("FILES", "total", "number"),
    field("DONE", kind="number"),
    field("FAILED", kind="number"),
    field("HELD", kind="number"),
    field("ABANDONED", kind="number"),
    field("STARTED", kind="time"),
)
LEFT = (
    Column("FILES", lambda row: row[1], "number"),
    Column("WHY", lambda row: sentence(row[0])),
)


def screen_of(zone: tzinfo, found: CampaignRow, runs: Listed[CampaignRun]) -> Screen:
    """Lay a campaign and its runs out."""
    screen = Screen(zone)
    screen.title(f"campaign {found.name}", found.status)
    screen.fields(
        [
            ("files", f"{found.done:,} of {found.total:,} done, {found.failed:,} failed, {found.left:,} go on"),
            ("by state", counted(found.states)),
            ("runs", f"{found.runs:,}" + (f": {counted(found.samples)}" if found.samples else "")),
            ("done by", found.p50),
            ("nine in ten by", found.p90),
            ("held up at", found.bottleneck),
            ("chosen", said(msgspec.convert(found.query, RunChoice, strict=False)) or "all that arrive"),
            ("pipeline", f"{found.pipeline} {found.version}"),
            ("start state", found.start_state),
            ("lane", f"{found.lane}, weight {found.weight}"),
            ("created", found.created_at),
            ("by", found.created_by),
            ("status since", found.status_since),
            ("said by", f"{found.status_by}: {found.status_reason}" if found.status_by else None),
            ("note", found.note),
        ]
    )
    screen.table("Left out when it last took runs in", sorted(found.left_out.items()), LEFT)
    screen.table("Runs, those that were known last first", runs.rows, RUNS, most=len(runs.rows) or 1)
    if runs.next:
        screen.text("", "there are more; --limit shows them")
    return screen
