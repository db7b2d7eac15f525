"""What a run's overview needs of each file, and no more: it shows many."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from ..schema import campaign as campaign_table
from ..schema import file, item, run
from .fields import View
from .paging import Listed, Page, key, listed, size

WAITING = ("ready", "submitted")


class CellRow(NamedTuple):
    """Where one file of a run stands in the run's own campaign. `tries` failed or were interrupted at this step."""

    file: int
    sequence: int | None
    name: str
    state: str
    phase: str
    reason_code: str
    item: int = 0
    tries: int = 0
    trigger: str = ""

    @property
    def kind(self) -> str:
        """Say `untried`, `again` (tried before, waits to be tried again), `skipped`, or nothing."""
        if self.phase in WAITING:
            return "again" if self.tries else "untried"
        return "skipped" if self.phase == "done" and (self.reason_code or self.trigger == "skipped") else ""


class Tries(View):
    """How many files of a run wait and have not been tried at their step, wait to be tried again, were skipped."""

    untried: int
    again: int
    skipped: int


def tries(conn: Connection, run_id: int, campaign: str) -> Tries:
    """Count what has not been tried apart from what will be tried again, and what a step skipped."""
    waits, tried = item.c.phase.in_(WAITING), item.c.failures + item.c.interrupts > 0
    skipped = (item.c.phase == "done") & ((item.c.reason_code != "") | (item.c.trigger == "skipped"))
    parts = {"untried": waits & ~tried, "again": waits & tried, "skipped": skipped}
    campaign_id = select(campaign_table.c.id).where(campaign_table.c.name == campaign).scalar_subquery()
    wanted = select(*(func.count().filter(test).label(name) for name, test in parts.items()))
    row = conn.execute(
        wanted.where(item.c.run_id == run_id, item.c.scope == "file", item.c.campaign_id == campaign_id)
    ).one()
    return Tries(**row._mapping)


def tries_among(rows: Iterable[CellRow]) -> Tries:
    """Count the same among all cells of a run, where they have been read already."""
    kinds = Counter(row.kind for row in rows)
    return Tries(untried=kinds["untried"], again=kinds["again"], skipped=kinds["skipped"])


def cell_rows(conn: Connection, number: int, page: Page) -> Listed[CellRow]:
    """List where the files of a run stand, by sequence number."""
    run_id, campaign_id = (select(run.c[name]).where(run.c.number == number) for name in ("id", "campaign_id"))
    columns = (
        *(file.c.id, file.c.sequence, file.c.name, item.c.state, item.c.phase, item.c.reason_code),
        *(item.c.id.label("item"), item.c.failures + item.c.interrupts, item.c.trigger),
    )
    wanted: Select[Any] = (
        select(*columns)
        .join(item, item.c.file_id == file.c.id)
        .where(file.c.run_id == run_id.scalar_subquery(), item.c.run_id == run_id.scalar_subquery())
        .where(item.c.campaign_id == campaign_id.scalar_subquery())
    )
    after = key(page, int)
    if after is not None:
        wanted = wanted.where(file.c.sequence > after[0])
    rows = conn.execute(wanted.order_by(file.c.sequence).limit(size(page))).all()
    return listed(rows, page, CellRow._make, "sequence")
