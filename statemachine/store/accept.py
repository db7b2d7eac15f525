"""Acceptance: what a successful attempt made becomes products, replicas, salt records and catalog rows.

It happens in the transaction that moves the item, for the rows that moved and for no others.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from ..naming import link_path, own_name
from ..records import Copy, Outcome, Product
from .core import execute

Accepted = Sequence[tuple[Row[Any], Outcome]]


def accept(connection: Connection, accepted: Accepted) -> None:
    """Store what accepted attempts made. The rows come from the statement `succeed`."""
    _supersede(connection, accepted)
    made = _products(connection, accepted)
    places = [*_product_places(accepted, made), *_copy_places(accepted)]
    replicas = execute(connection, "insert_replicas", places)
    _order_links(connection, accepted, places, {(row.site, row.path): row.id for row in replicas})
    _facts(connection, accepted, made)
    _secure(connection, accepted)
    _hold_duplicates(connection, accepted)


def _supersede(connection: Connection, accepted: Accepted) -> None:
    rows = [
        {"item": row.item, "step": row.step, "keep_epoch": row.epoch, "reason": "made again"}
        for row, outcome in accepted
        if outcome.products
    ]
    retire(connection, execute(connection, "supersede_products", rows))


def retire(connection: Connection, products: Sequence[Row[Any]]) -> None:
    """Take the replicas of superseded products out of the counts and the catalog; the files stay."""
    if products:
        statement = (
            "update replica set retired_at = clock_timestamp(), status = 'retired' "
            "where product_id = any(:ids) and retired_at is null"
        )
        connection.execute(text(statement), {"ids": [row.id for row in products]})


def _products(connection: Connection, accepted: Accepted) -> dict[tuple[int, str], int]:
    rows = [_product_row(row, product) for row, outcome in accepted for product in outcome.products]
    return {(made.item, made.name): made.id for made in execute(connection, "insert_products", rows)}


def _product_row(row: Row[Any], product: Product) -> dict[str, Any]:
    events = product.events
    return {
        "run_id": row.run_id,
        "file_id": row.file_id,
        "campaign_id": None if row.owned_by == "file" else row.campaign_id,
        "item": row.item,
        "epoch": row.epoch,
        "step": row.step,
        "name": product.name,
        "type": product.type,
        "size": product.size,
        "adler32": product.checksums.adler32,
        "blake3": product.checksums.blake3,
        "event_first": events.first if events else None,
        "event_last": events.last if events else None,
        "events": events.count if events else None,
        "software": product.software,
        "configuration": product.configuration,
        "metadata": product.metadata,
    }


def _product_places(accepted: Accepted, made: dict[tuple[int, str], int]) -> list[dict[str, Any]]:
    return [
        _place(row, product, made[row.item, product.name], row.step)
        for row, outcome in accepted
        for product in outcome.products
    ]


def _copy_places(accepted: Accepted) -> list[dict[str, Any]]:
    return [_place(row, copy, copy.product, copy.of) for row, outcome in accepted for copy in outcome.copies]


def _place(row: Row[Any], content: Product | Copy, product_id: int | None, role: str) -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "file_id": row.file_id,
        "product_id": product_id,
        "role": role,
        "step": row.step,
        "site": content.location.site,
        "path": content.location.path,
        "name": content.name if isinstance(content, Product) else content.location.path.rpartition("/")[2],
        "size": content.size,
        "adler32": content.checksums.adler32,
        "blake3": content.checksums.blake3,
        "item": row.item,
        "epoch": row.epoch,
    }


def _order_links(
    connection: Connection, accepted: Accepted, places: list[dict[str, Any]], ids: dict[tuple[str, str], int]
) -> None:
    """Order the readable links: file-system work, done by a worker, repeated until done."""
    if not places:
        return
    items = {row.item: row for row in execute(connection, "item_names", ids=[row.item for row, _ in accepted])}
    orders = []
    for place in places:
        item = items[place["item"]]
        name = own_name(place["name"], item.number, item.file, item.sequence)
        link = link_path(None if item.owned_by == "file" else item.campaign, item.number, place["step"], name)
        replica = ids.get((place["site"], place["path"]))
        orders.append(
            {"action": "link", "site": place["site"], "path": place["path"], "link": link, "replica_id": replica}
        )
    execute(connection, "insert_settle", orders)


def _facts(connection: Connection, accepted: Accepted, made: dict[tuple[int, str], int]) -> None:
    raw, events, salt, catalog = [], [], [], []
    for row, outcome in accepted:
        ids = {"item": row.item, "epoch": row.epoch, "step": row.step, "file_id": row.file_id}
        if outcome.raw and row.file_id:
            raw.append({**ids, "adler32": outcome.raw.adler32, "blake3": outcome.raw.blake3})
        if outcome.events and row.file_id:
            span = outcome.events
            events.append({"file_id": row.file_id, "first": span.first, "last": span.last, "count": span.count})
        if outcome.salt and outcome.products:
            product = made[row.item, outcome.products[0].name]
            salt.append({**ids, "product_id": product, "key_id": outcome.salt.key_id, "sealed": outcome.salt.sealed})
        if outcome.catalog is not None:
            place = {"run_id": row.run_id, "campaign_id": row.campaign_id}
            catalog.append({**ids, **place, "facts": outcome.catalog})
    execute(connection, "raw_checksums", raw)
    execute(connection, "file_events", events)
    execute(connection, "insert_salt", salt)
    execute(connection, "insert_catalog", catalog)


def _secure(connection: Connection, accepted: Accepted) -> None:
    """A file is secured once every copy that its run type asks for is verified: its copying step was accepted."""
    files = [row.file_id for row, outcome in accepted if outcome.copies and row.file_id]
    if files:
        statement = text("update file set secured_at = coalesce(secured_at, clock_timestamp()) where id = any(:ids)")
        connection.execute(statement, {"ids": files})


def _hold_duplicates(connection: Connection, accepted: Accepted) -> None:
    """Hold a file whose content came before under another name, so that no event is counted twice.

    A run type with `duplicates = "allow"` in its pinned pipeline lets it pass. The claim is a statement of its own:
    after it has waited for another conductor's, only a new statement sees whose the content is.
    """
    items = [row.item for row, outcome in accepted if outcome.raw]
    if items:
        execute(connection, "claim_contents", ids=items)
        execute(connection, "hold_duplicates", ids=items, sources=["ready"])
