"""History as a list: each change of an item, of a file, or of a run and all of its files."""

from typing import Any

from sqlalchemy import Connection, FromClause, Row, Subquery, select, true, tuple_

from ..records import Record
from ..schema import campaign, history, item, run
from .filedetail import HistoryRow
from .paging import Listed, Page, key, listed, named, size
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
    own = _items(where)
    told = _told(own, where.trigger)
    wanted = select(told, own.c.item).join_from(own, told, true())
    after = key(page, int, int)
    if after is not None:
        wanted = wanted.where(own.c.item <= after[0], tuple_(own.c.item, told.c.version) < tuple_(*after))
    wanted = wanted.order_by(own.c.item.desc(), told.c.version.desc())
    return listed(conn.execute(wanted.limit(size(page))).all(), page, _made, "item", "version")


def _items(where: HistoryFilter) -> Subquery:
    wanted = select(item.c.id.label("item"))
    if where.item is not None:
        wanted = wanted.where(item.c.id == where.item)
    elif where.file is not None:
        wanted = wanted.where(item.c.file_id == where.file)
    elif where.run is not None:
        wanted = wanted.where(item.c.run_id == select(run.c.id).where(run.c.number == where.run).scalar_subquery())
    else:
        raise TooWideError("name an item, a file or a run: item=, file= or run=")
    return wanted.order_by(item.c.id.desc()).subquery("own")


def _told(own: Subquery, trigger: str | None) -> FromClause:
    """Go down the history of each item by itself: joined, all changes of a large run would be read and sorted."""
    name = select(campaign.c.name).where(campaign.c.id == history.c.campaign_id).scalar_subquery()
    wanted = select(history, name.label("campaign")).where(history.c.item_id == own.c.item)
    if trigger is not None:
        wanted = wanted.where(history.c.trigger == trigger)
    return wanted.order_by(history.c.version.desc()).lateral("told")


def _made(row: Row[Any]) -> HistoryRow:
    has = named(row)
    return HistoryRow(**{name: has[name] for name in HistoryRow.__struct_fields__})
