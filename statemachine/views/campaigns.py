"""Campaigns, the newest first, with how far they are."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ..schema import campaign, pipeline
from .counts import totals
from .fields import View
from .paging import Listed, Page, key, listed, size


class CampaignRow(View):
    """A campaign: a pipeline at one version over a set of runs. The numbers count files."""

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
    runs: int
    total: int
    done: int
    failed: int
    held: int
    abandoned: int
    states: dict[str, int]
    phases: dict[str, int]


def campaigns(conn: Connection, page: Page | None = None, *, name: str | None = None) -> Listed[CampaignRow]:
    """List campaigns with the counts of their files."""
    page = page or Page()
    joined = campaign.join(pipeline, pipeline.c.id == campaign.c.pipeline_id)
    wanted = select(campaign, pipeline.c.name.label("pipeline"), pipeline.c.version).select_from(joined)
    if name is not None:
        wanted = wanted.where(campaign.c.name == name)
    after = key(page, int)
    if after is not None:
        wanted = wanted.where(campaign.c.id < after[0])
    rows = conn.execute(wanted.order_by(campaign.c.id.desc()).limit(size(page))).all()
    numbers = _numbers(conn)
    names = [name for name in CampaignRow.__struct_fields__ if name not in _Numbers.__struct_fields__]
    return listed(
        rows,
        page,
        lambda row: CampaignRow(**{n: row._mapping[n] for n in names}, **numbers.get(row.id, _Numbers()).as_fields()),
        "id",
    )


class _Numbers(View, frozen=False):
    runs: int = 0
    total: int = 0
    done: int = 0
    failed: int = 0
    held: int = 0
    abandoned: int = 0
    states: dict[str, int] = {}
    phases: dict[str, int] = {}

    def add(self, state: str, phase: str, n: int) -> None:
        self.total += n
        self.states[state] = self.states.get(state, 0) + n
        self.phases[phase] = self.phases.get(phase, 0) + n

    def as_fields(self) -> dict[str, Any]:
        said = {name: self.phases.get(name, 0) for name in ("done", "failed", "held", "abandoned")}
        return {"runs": self.runs, "total": self.total, "states": self.states, "phases": self.phases, **said}


def _numbers(conn: Connection) -> dict[int, _Numbers]:
    found: dict[int, _Numbers] = {}
    for count in totals(conn, scope=("file", "run")):
        numbers = found.setdefault(count.campaign_id, _Numbers())
        if count.scope == "run":
            numbers.runs += count.n
        else:
            numbers.add(count.state, count.phase, count.n)
    return found
