"""What was recorded: attempts, history, copies, products."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.views import (
    AttemptFilter,
    AttemptRow,
    HistoryFilter,
    HistoryRow,
    Product,
    ProductDetail,
    ProductFilter,
    Replica,
    ReplicaFilter,
    attempts,
    changes,
    product_of,
    products,
    replicas,
)
from ..context import reading
from . import asked
from .answer import Rows, one_there, rows
from .document import PREFIX, gives

blueprint = APIBlueprint("api_records", __name__, url_prefix=PREFIX, tag="records")


class AttemptsAsked(asked.Part):
    """Which attempts."""

    run = asked.number("at items of this run")
    file = asked.number("at this file")
    item = asked.number("at this item")
    step = asked.word("of this step")
    outcome = asked.word("with this outcome: succeeded, failed, interrupted, cancelled, running")
    reason_code = asked.word("with this reason code")
    host = asked.word("on this host")
    job = asked.word("under this number of a batch job")
    pilot = asked.number("by workers of the pilot of this number")
    running = asked.flag("only those that have not ended")
    since = asked.moment("ended at this time or later")
    until = asked.moment("ended before this time")
    order = asked.sort("the latest first, or the oldest", ("-ended", "ended"))


class HistoryAsked(asked.Part):
    """Whose history; one of item, file and run has to be named."""

    item = asked.number("of this item")
    file = asked.number("of this file, in all campaigns")
    run = asked.number("of this run and all of its files")
    trigger = asked.word("only changes by this trigger")


class ReplicasAsked(asked.Part):
    """Which copies."""

    run = asked.number("of this run's files and products")
    file = asked.number("of this file and of what was made from it")
    product = asked.number("of this product")
    site = asked.word("at this site; alone: by path")
    role = asked.word("raw, or the step that made the content; of a run, file or product")
    status = asked.word("in this status; of a run, file or product")
    every = asked.flag("those too that are retired")


class ProductsAsked(asked.Part):
    """Which products."""

    run = asked.number("of this run")
    file = asked.number("made from this file")
    step = asked.word("of this step; of a run or file")
    type = asked.word("of this type; of a run or file")
    every = asked.flag("those too that no longer stand")


@blueprint.get("/attempts")
@blueprint.input(AttemptsAsked, location="query")
@gives(Rows[AttemptRow])
def list_attempts(query_data: dict[str, Any]) -> Response:
    """List attempts, the latest first unless `sort` says otherwise: of a run, a file or an item, and those that have
    not ended, in the order of items, others by when they ended.
    """
    which, falling = AttemptFilter(**asked.filters(query_data, "order")), query_data["order"].startswith("-")
    with reading() as connection:
        listed = attempts(connection, which, asked.page(query_data), falling=falling)
    return rows(listed, query_data["wanted"])


@blueprint.get("/history")
@blueprint.input(HistoryAsked, location="query")
@gives(Rows[HistoryRow])
def list_history(query_data: dict[str, Any]) -> Response:
    """List what changed of an item, a file, or a run with its files: item by item, the latest first."""
    with reading() as connection:
        listed = changes(connection, HistoryFilter(**asked.filters(query_data)), asked.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/replicas")
@blueprint.input(ReplicasAsked, location="query")
@gives(Rows[Replica])
def list_replicas(query_data: dict[str, Any]) -> Response:
    """List copies, newest first; those of a site by path."""
    with reading() as connection:
        listed = replicas(connection, ReplicaFilter(**asked.filters(query_data)), asked.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/products")
@blueprint.input(ProductsAsked, location="query")
@gives(Rows[Product])
def list_products(query_data: dict[str, Any]) -> Response:
    """List what steps have made, newest first."""
    with reading() as connection:
        listed = products(connection, ProductFilter(**asked.filters(query_data)), asked.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/products/<number:number>")
@blueprint.input(asked.One, location="query")
@gives(ProductDetail)
def show_product(number: int, query_data: dict[str, Any]) -> Response:
    """Give one product and where it lies."""
    with reading() as connection:
        found = product_of(connection, number)
    return one_there(found, f"There is no product {number} here.", query_data["wanted"])
