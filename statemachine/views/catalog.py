"""The catalog: what can be read of a run, and where."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, null, select, tuple_

from ..schema import campaign, catalog_entry, file, item, product, replica, run
from .counts import GOOD
from .fields import View
from .paging import Listed, Page, among, cursor, key, size

NO_SEQUENCE = 2**31
"""Comes after all sequence numbers."""
PART = 1000
"""How many entries' places are looked up at once."""


class Place(View):
    """Where a content lies: `path` never changes, `link` is the readable name that leads to it."""

    site: str
    path: str
    link: str


class CatalogEntry(View):
    """A raw file (type `raw`) or a product of a run, with all that tells what is in it.

    `events` of an entry that is not known to cover a range is none. `facts` is what the catalog step stored.
    """

    run: int
    kind: str
    sequence: int | None
    type: str
    step: str
    name: str
    campaign: str
    size: int
    adler32: str
    blake3: str
    event_first: int | None
    event_last: int | None
    events: int | None
    software: str
    configuration: str
    product: int | None
    file: int | None
    locations: tuple[Place, ...]
    facts: dict[str, Any]


def catalog_find(
    conn: Connection, number: int, event: int | None = None, kind: str | None = None, site: str | None = None
) -> tuple[CatalogEntry, ...]:
    """Give what the catalog has of a run: raw files first, then products, by sequence.

    `event` keeps what covers that event, `kind` one type (`raw` or a product's), `site` what lies there.
    """
    return tuple(_entries(conn, number, event, kind, site))


def catalog_page(
    conn: Connection,
    number: int,
    page: Page,
    event: int | None = None,
    kind: str | None = None,
    site: str | None = None,
) -> Listed[CatalogEntry]:
    """Give a part of the same list."""
    found = [*islice(_entries(conn, number, event, kind, site, key(page, bool, int, int)), size(page))]
    shown = found[: size(page) - 1]
    return Listed(tuple(shown), cursor(_key(shown[-1])) if len(found) > len(shown) else "")


def _key(entry: CatalogEntry) -> tuple[bool, int, int]:
    """Give an entry's place: raw files first, by sequence, those without one last."""
    made = entry.product is not None
    return made, NO_SEQUENCE if entry.sequence is None else entry.sequence, int(entry.product or entry.file or 0)


def _entries(
    conn: Connection,
    number: int,
    event: int | None,
    kind: str | None,
    site: str | None,
    after: tuple[bool, int, int] | None = None,
) -> Iterator[CatalogEntry]:
    """Read a run's entries in parts, so that places and facts are looked up for what is given and for nothing else."""
    found = conn.execute(select(run.c.id, run.c.kind).where(run.c.number == number)).first()
    if found is None:
        return
    raw = [] if kind not in (None, "raw") or (after and after[0]) else [_raw(found.id, event)]
    made = [] if kind == "raw" else [_products(found.id, event, kind)]
    if after is not None:
        first, column = (raw, file.c.id) if not after[0] else (made, product.c.id)
        place = tuple_(func.coalesce(file.c.sequence, NO_SEQUENCE), column)
        first[:] = [question.where(place > tuple_(*after[1:])) for question in first]
    for question in (*raw, *made):
        for rows in conn.execute(question).partitions(PART):
            places, facts = _places(conn, rows, site), _facts(conn, found.id, rows)
            for row in rows:
                locations = tuple(places.get(_which(row), ()))
                if site is None or locations:
                    yield _made(row, number, found.kind, locations, facts)


def _raw(run_id: int, event: int | None) -> Select[Any]:
    of_products = [literal("").label(name) for name in ("step", "campaign", "software", "configuration")]
    columns = (file.c.id.label("file"), null().label("product"), literal("raw").label("type"), *of_products)
    wanted = select(file, *columns).where(
        file.c.run_id == run_id, file.c.registered_at.is_not(None), *_covers(file.c, event)
    )
    return wanted.order_by(file.c.sequence, file.c.id)


def _products(run_id: int, event: int | None, kind: str | None) -> Select[Any]:
    joined = product.outerjoin(file, file.c.id == product.c.file_id).outerjoin(
        campaign, campaign.c.id == product.c.campaign_id
    )
    wanted = (
        select(
            product,
            product.c.id.label("product"),
            product.c.file_id.label("file"),
            file.c.sequence,
            campaign.c.name.label("campaign"),
        )
        .select_from(joined)
        .where(product.c.run_id == run_id, product.c.superseded_at.is_(None), *_covers(product.c, event))
    )
    if kind is not None:
        wanted = wanted.where(product.c.type == kind)
    return wanted.order_by(file.c.sequence, product.c.id)


def _covers(columns: Any, event: int | None) -> list[ColumnElement[bool]]:
    return [] if event is None else [columns.event_first <= event, columns.event_last >= event]


def _which(row: Row[Any]) -> tuple[str, int]:
    """Name an entry: raw files and products are numbered apart."""
    return ("raw", row.file) if row.product is None else ("product", row.product)


def _places(conn: Connection, rows: Sequence[Row[Any]], site: str | None) -> dict[tuple[str, int], list[Place]]:
    raw = [number for role, number in map(_which, rows) if role == "raw"]
    made = [number for role, number in map(_which, rows) if role == "product"]
    of_raw = (replica.c.file_id == func.any(among(raw))) & replica.c.product_id.is_(None)
    of_these = replica.c.product_id == func.any(among(made)) if made else of_raw
    wanted = select(replica).where(of_these, replica.c.status.in_(GOOD), replica.c.retired_at.is_(None))
    if site is not None:
        wanted = wanted.where(replica.c.site == site)
    found: dict[tuple[str, int], list[Place]] = {}
    for row in conn.execute(wanted.order_by(replica.c.id)):
        which = ("product", row.product_id) if row.product_id is not None else ("raw", row.file_id)
        found.setdefault(which, []).append(Place(site=row.site, path=row.path, link=row.link))
    return found


def _facts(conn: Connection, run_id: int, rows: Sequence[Row[Any]]) -> dict[int | None, dict[str, Any]]:
    """Give the facts about these entries' files; under none those about the whole run."""
    files = {row.file for row in rows if row.file is not None}
    about: list[ColumnElement[bool]] = [item.c.file_id == func.any(among(files))] if files else []
    if any(row.file is None for row in rows):
        about.append((item.c.run_id == run_id) & (item.c.scope == "run"))
    found: dict[int | None, dict[str, Any]] = {}
    for which in about:
        joined = item.join(catalog_entry, catalog_entry.c.item_id == item.c.id)
        wanted = select(catalog_entry.c.file_id, catalog_entry.c.facts).select_from(joined).where(which)
        for row in conn.execute(wanted.order_by(catalog_entry.c.created_at)):
            found[row.file_id] = {**found.get(row.file_id, {}), **row.facts}
    return found


def _made(
    row: Row[Any], number: int, kind: str, locations: tuple[Place, ...], facts: dict[int | None, dict[str, Any]]
) -> CatalogEntry:
    return CatalogEntry(
        run=number,
        kind=kind or "",
        sequence=row.sequence,
        type=row.type,
        step=row.step,
        name=row.name,
        campaign=row.campaign or "",
        size=row.size,
        adler32=row.adler32 or "",
        blake3=row.blake3 or "",
        event_first=row.event_first,
        event_last=row.event_last,
        events=row.events,
        software=row.software,
        configuration=row.configuration,
        product=row.product,
        file=row.file,
        locations=locations,
        facts=facts.get(row.file, {}),
    )
