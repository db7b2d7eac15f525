"""What a run's overview needs of each file, and no more: it shows many."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

from ..schema import file, item, run
from .paging import Listed, Page, key, listed, size


class CellRow(NamedTuple):
    """Where one file of a run stands in the run's own campaign."""

    file: int
    sequence: int | None
    name: str
    state: str
    phase: str
    reason_code: str


def cell_rows(conn: Connection, number: int, page: Page) -> Listed[CellRow]:
    """List where the files of a run stand, by sequence number."""
    found = conn.execute(select(run.c.id, run.c.campaign_id).where(run.c.number == number)).first()
    if found is None:
        return Listed((), "")
    columns = (file.c.id, file.c.sequence, file.c.name, item.c.state, item.c.phase, item.c.reason_code)
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
