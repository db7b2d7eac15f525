"""Lists of copies: of a file, a product or a run, newest first; of a site by path; else all, newest first."""

from typing import Any

from sqlalchemy import Connection, Row, Select, select, tuple_

from ..records import Record
from ..schema import replica, run
from .filedetail import ReplicaRow
from .paging import Listed, Page, key, listed, named, size
from .wide import TooWideError


class ReplicaFilter(Record):
    """Which copies. `role` and `status` narrow those of a file, a product or a run; retired ones only with `every`."""

    run: int | None = None
    file: int | None = None
    product: int | None = None
    site: str | None = None
    role: str | None = None
    status: str | None = None
    every: bool = False


class Replica(ReplicaRow):
    """A copy with what it is of: its run's number, its file's number (none for a product of the whole run)."""

    run: int
    file: int | None


def replicas(conn: Connection, where: ReplicaFilter | None = None, page: Page | None = None) -> Listed[Replica]:
    """List copies. Raises `TooWideError` for a filter that only makes sense within a run, a file or a product."""
    where, page = where or ReplicaFilter(), page or Page()
    whole = where.run is where.file is where.product is None
    if whole and (where.role or where.status):
        raise TooWideError("role and status narrow the copies of a run, a file or a product; name one")
    wanted = _narrowed(where)
    if whole and where.site is not None:
        after = key(page, str)
        if after is not None:
            wanted = wanted.where(replica.c.path > after[0])
        return listed(conn.execute(wanted.order_by(replica.c.path).limit(size(page))).all(), page, _made, "path")
    return _newest(conn, wanted, page)


def _newest(conn: Connection, wanted: Select[Any], page: Page) -> Listed[Replica]:
    after = key(page, int)
    if after is not None:
        wanted = wanted.where(tuple_(replica.c.id) < tuple_(*after))
    return listed(conn.execute(wanted.order_by(replica.c.id.desc()).limit(size(page))).all(), page, _made, "id")


def _narrowed(where: ReplicaFilter) -> Select[Any]:
    number = select(run.c.number).where(run.c.id == replica.c.run_id).scalar_subquery()
    wanted = select(
        replica, number.label("run"), replica.c.product_id.label("product"), replica.c.file_id.label("file")
    )
    if where.run is not None:
        of_run = select(run.c.id).where(run.c.number == where.run).scalar_subquery()
        wanted = wanted.where(replica.c.run_id == of_run)
    for column, value in (
        (replica.c.file_id, where.file),
        (replica.c.product_id, where.product),
        (replica.c.site, where.site),
        (replica.c.role, where.role),
        (replica.c.status, where.status),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    return wanted if where.every else wanted.where(replica.c.retired_at.is_(None))


def _made(row: Row[Any]) -> Replica:
    has = named(row)
    return Replica(**{name: has[name] for name in Replica.__struct_fields__})
