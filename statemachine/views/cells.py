"""What a run's overview needs of each file, and no more: it shows many."""

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


def cell_rows(conn: Connection, number: int, page: Page) -> Listed[CellRow]:
    """List where the files of a run stand, by sequence number."""
    found = conn.execute(select(run.c.id, run.c.campaign_id).where(run.c.number == number)).first()
    if found is None:
        return Listed((), "")
    columns = (
        *(file.c.id, file.c.sequence, file.c.name, item.c.state, item.c.phase, item.c.reason_code),
        *(item.c.id.label("item"), item.c.failures + item.c.interrupts, item.c.trigger),
    )
    wanted: Select[Any] = (
        select(*columns)
        .join(item, item.c.file_id == file.c.id)
        .where(file.c.run_id == found.id, item.c.run_id == found.id, item.c.campaign_id == found.campaign_id)
    )
    after = key(page, int)
    if after is not None:
        wanted = wanted.where(file.c.sequence > after[0])
    rows = conn.execute(wanted.order_by(file.c.sequence).limit(size(page))).all()
    return listed(rows, page, CellRow._make, "sequence")
