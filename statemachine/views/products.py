"""Lists of products, and one with its copies."""

from typing import Any

from sqlalchemy import Connection, Row, Select, select

from ..records import Record
from ..schema import campaign, product, replica, run
from .fields import View
from .filedetail import ProductRow, ReplicaRow, replicas_of
from .paging import Listed, Page, key, listed, named, size
from .wide import TooWideError


class ProductFilter(Record):
    """Which products. `step` and `type` narrow those of a run or a file; superseded ones only with `every`."""

    run: int | None = None
    file: int | None = None
    step: str | None = None
    type: str | None = None
    every: bool = False


class Product(ProductRow):
    """A product with what it was made from: its run's number, its file's (none: the whole run), its campaign.

    `campaign` is empty for what belongs to the file whatever the campaign.
    """

    run: int
    file: int | None
    campaign: str
    metadata: dict[str, Any]


class ProductDetail(View):
    """One product and where it lies."""

    product: Product
    replicas: tuple[ReplicaRow, ...]


def products(conn: Connection, where: ProductFilter | None = None, page: Page | None = None) -> Listed[Product]:
    """List products, newest first. Raises `TooWideError` for a filter that only makes sense within a run or file."""
    where, page = where or ProductFilter(), page or Page()
    if where.run is where.file is None and (where.step or where.type):
        raise TooWideError("step and type narrow the products of a run or a file; name one")
    wanted, after = _narrowed(where), key(page, int)
    if after is not None:
        wanted = wanted.where(product.c.id < after[0])
    return listed(conn.execute(wanted.order_by(product.c.id.desc()).limit(size(page))).all(), page, _made, "id")


def product_of(conn: Connection, number: int) -> ProductDetail | None:
    """Give one product by its number, superseded or not."""
    row = conn.execute(_selected().where(product.c.id == number)).one_or_none()
    if row is None:
        return None
    return ProductDetail(product=_made(row), replicas=replicas_of(conn, replica.c.product_id == number))


def _selected() -> Select[Any]:
    number = select(run.c.number).where(run.c.id == product.c.run_id).scalar_subquery()
    name = select(campaign.c.name).where(campaign.c.id == product.c.campaign_id).scalar_subquery()
    return select(
        product,
        product.c.item_id.label("item"),
        product.c.file_id.label("file"),
        number.label("run"),
        name.label("campaign"),
    )


def _narrowed(where: ProductFilter) -> Select[Any]:
    wanted = _selected()
    if where.run is not None:
        of_run = select(run.c.id).where(run.c.number == where.run).scalar_subquery()
        wanted = wanted.where(product.c.run_id == of_run)
    for column, value in ((product.c.file_id, where.file), (product.c.step, where.step), (product.c.type, where.type)):
        if value is not None:
            wanted = wanted.where(column == value)
    return wanted if where.every else wanted.where(product.c.superseded_at.is_(None))


def _made(row: Row[Any]) -> Product:
    has = named(row)
    values = {name: has[name] for name in Product.__struct_fields__}
    return Product(**{**values, "campaign": values["campaign"] or ""})
