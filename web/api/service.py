"""The service around the machine: status, sites, queues, processes, what is paused."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.views import (
    Listed,
    PauseRow,
    ProcessRow,
    QueueRow,
    SiteRow,
    Status,
    pauses,
    processes,
    queues,
    sites,
    status,
)
from ..context import reading
from . import asked
from .answer import Rows, one, rows
from .document import PREFIX, gives

blueprint = APIBlueprint("api_service", __name__, url_prefix=PREFIX, tag="service")


class SitesAsked(asked.One):
    """Which sites."""

    name = asked.word("of this name")


class ProcessesAsked(asked.One):
    """Which processes."""

    role = asked.word("in this role: conductor, sweeper, watcher, web, worker")
    alive = asked.flag("heard of lately")
    alive.load_default = None


@blueprint.get("/status")
@blueprint.input(asked.One, location="query")
@gives(Status)
def show_status(query_data: dict[str, Any]) -> Response:
    """Give the whole instance on one screen, with sentences about what needs somebody."""
    with reading() as connection:
        found = status(connection)
    return one(found, query_data["wanted"])


@blueprint.get("/sites")
@blueprint.input(SitesAsked, location="query")
@gives(Rows[SiteRow])
def list_sites(query_data: dict[str, Any]) -> Response:
    """List all sites by name, with what lies there."""
    with reading() as connection:
        found = sites(connection, **asked.filters(query_data))
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.get("/queues")
@blueprint.input(asked.One, location="query")
@gives(Rows[QueueRow])
def list_queues(query_data: dict[str, Any]) -> Response:
    """List what waits, is sent out and runs, of each step and lane in the order of the pipelines."""
    with reading() as connection:
        found = queues(connection)
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.get("/processes")
@blueprint.input(ProcessesAsked, location="query")
@gives(Rows[ProcessRow])
def list_processes(query_data: dict[str, Any]) -> Response:
    """List daemons and workers, the last one heard of first, at most 1,000."""
    with reading() as connection:
        found = processes(connection, **asked.filters(query_data))
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.get("/pauses")
@blueprint.input(asked.One, location="query")
@gives(Rows[PauseRow])
def list_pauses(query_data: dict[str, Any]) -> Response:
    """List what operators have paused, the longest first."""
    with reading() as connection:
        found = pauses(connection)
    return rows(Listed(found, ""), query_data["wanted"])
