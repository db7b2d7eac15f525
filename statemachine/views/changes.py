"""History as a list: each change of an item, of a file, or of a run and all of its files."""

from typing import Any

from sqlalchemy import Connection, Row, Select, select, tuple_

from ..records import Record
from ..schema import campaign, history, item, run
from .filedetail import HistoryRow
from .paging import Listed, Page, key, listed, size
from .wide import TooWideError


class HistoryFilter(Record):
    """Whose history: one of the three has to be said. `trigger` keeps one kind of change."""

    item: int | None = None
    file: int | None = None
    run: int | None = None
    trigger: str | None = None


def changes(conn: Connection, where: HistoryFilter, page: Page | None = None) -> Listed[HistoryRow]:
    """List changes, item by item, the latest first. Raises `TooWideError` where nobody is named."""
    page = page or Page()
    after = key(page, int, int)
    wanted = _selected(where, after).order_by(_OWN.c.item.desc(), history.c.version.desc())
    return listed(conn.execute(wanted.limit(size(page))).all(), page, _made, "item", "version")


_OWN = select(item.c.id.label("item"), item.c.run_id, item.c.file_id).subquery("own")


def _selected(where: HistoryFilter, after: tuple[Any, ...] | None) -> Select[Any]:
    """Go through the items in order, and down the history of each: an index leads to both."""
    name = select(campaign.c.name).where(campaign.c.id == history.c.campaign_id).scalar_subquery().label("campaign")
    wanted = select(history, history.c.item_id.label("item"), name).join(_OWN, _OWN.c.item == history.c.item_id)
    if where.item is not None:
        wanted = wanted.where(_OWN.c.item == where.item)
    elif where.file is not None:
        wanted = wanted.where(_OWN.c.file_id == where.file)
    elif where.run is not None:
        wanted = wanted.where(_OWN.c.run_id == select(run.c.id).where(run.c.number == where.run).scalar_subquery())
    else:
        raise TooWideError("name an item, a file or a run: item=, file= or run=")
    if where.trigger is not None:
        wanted = wanted.where(history.c.trigger == where.trigger)
    if after is not None:
        wanted = wanted.where(_OWN.c.item <= after[0], tuple_(_OWN.c.item, history.c.version) < tuple_(*after))
    return wanted


def _made(row: Row[Any]) -> HistoryRow:
    return HistoryRow(**{name: row._mapping[name] for name in HistoryRow.__struct_fields__})
