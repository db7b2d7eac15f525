"""Processes one by one with what they do, how work flows, and what the broker holds."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.views import (
    DepthRow,
    FlowRow,
    Listed,
    WorkerFilter,
    WorkerRow,
    depths,
    flow,
    worker,
    workers,
)
from ..context import reading
from . import asked
from .answer import Rows, one_there, rows
from .document import PREFIX, gives

blueprint = APIBlueprint("api_workers", __name__, url_prefix=PREFIX, tag="service")


class WorkersAsked(asked.Part):
    """Which processes: those heard of in the last hour, unless all are asked for."""

    role = asked.word("in this role: conductor, sweeper, worker, launcher")
    host = asked.word("on this host")
    pilot = asked.number("workers of the pilot of this number")
    standing = asked.word("working, idle, paused, draining, left, silent, running")
    every = asked.flag("those too that have been silent for longer")


@blueprint.get("/workers")
@blueprint.input(WorkersAsked, location="query")
@gives(Rows[WorkerRow])
def list_workers(query_data: dict[str, Any]) -> Response:
    """List processes by role and host, each with what it executes."""
    with reading() as connection:
        listed = workers(connection, WorkerFilter(**asked.filters(query_data)), asked.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/workers/<owner>")
@blueprint.input(asked.One, location="query")
@gives(WorkerRow)
def show_worker(owner: str, query_data: dict[str, Any]) -> Response:
    """Give one process by its owner, the random id of its start."""
    with reading() as connection:
        found = worker(connection, owner) if "\0" not in owner else None
    missing = "There is no such process here; who is silent for a week is forgotten."
    return one_there(found, missing, query_data["wanted"])


@blueprint.get("/queues/flow")
@blueprint.input(asked.One, location="query")
@gives(Rows[FlowRow])
def list_flow(query_data: dict[str, Any]) -> Response:
    """List the steps and lanes in which something waits or was done: since when, and how many a minute."""
    with reading() as connection:
        found = flow(connection)
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.get("/queues/broker")
@blueprint.input(asked.One, location="query")
@gives(Rows[DepthRow])
def list_depths(query_data: dict[str, Any]) -> Response:
    """List the broker's queues as a conductor last saw them."""
    with reading() as connection:
        found = depths(connection)
    return rows(Listed(found, ""), query_data["wanted"])
