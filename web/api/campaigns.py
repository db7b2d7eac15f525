"""Campaigns: the list, one, its runs, what it left out; and what operators do with them."""

from collections.abc import Callable
from typing import Annotated, Any, get_args

import msgspec
from apiflask import APIBlueprint
from flask import Response, url_for
from msgspec import Meta
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from ...statemachine.store import campaign_make, campaign_operate
from ...statemachine.store.campaign_operate import Begun, Changed, Wanted
from ...statemachine.store.campaign_plan import Judged, Plan
from ...statemachine.store.campaign_query import RunChoice
from ...statemachine.store.errors import RefusedError
from ...statemachine.views import (
    CampaignFilter,
    CampaignRow,
    CampaignRun,
    campaign_of,
    campaign_runs,
    is_campaign,
)
from ...statemachine.views import campaigns as list_campaigns
from ...statemachine.views.campaigns import Order
from ..access.identity import Role, needs, who
from ..campaigning import Ended, close_campaign, follow_up, left_out, patiently, start
from ..context import here, reading
from . import asked as asks
from .answer import Rows, as_json, one, rows
from .body import Name, Reasoned, takes
from .document import PREFIX, gives, or_later
from .done import Done
from .once import once

CHOICE = {"kind": ["science"], "numbers": [[1201, 1300]], "quality": ["good"]}
blueprint = APIBlueprint("api_campaigns", __name__, url_prefix=f"{PREFIX}/campaigns", tag="campaigns")
CampaignName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$", max_length=80)]


class CampaignsAsked(asks.Part):
    """Which campaigns."""

    text = asks.word("any part of the name")
    status = asks.choice("in this status", campaign_operate.STATUSES)
    kind = asks.choice("realtime ones, or those that operators begin", ("realtime", "bulk"))
    order = asks.sort("the order", get_args(Order))


class Create(Reasoned):
    """A campaign over the runs that `runs` chooses: every condition that is set must hold, at least one must be set."""

    name: CampaignName
    pipeline: Name
    runs: RunChoice
    version: Name | None = None
    start_state: Name | None = None
    lane: Annotated[str, Meta(pattern="^(live|bulk)$")] = "bulk"
    weight: Annotated[int, Meta(ge=1, le=campaign_operate.HEAVIEST)] = 100
    note: Annotated[str, Meta(max_length=2000)] = ""


class Grow(Reasoned):
    """Take in what fits by now, or what fits another choice of runs."""

    runs: RunChoice | None = None


class CloseCampaign(Reasoned):
    """Let no more runs join; with `cancel`, stop and hold what is not done yet."""

    cancel: bool = False


class Taken(Done):
    """What a campaign takes in: counted exactly, made by the operation of this number (0 in a dry run).

    `waits`: a daemon makes it, page by page.
    """

    operation: int
    waits: bool
    plan: Plan


class Told(Done):
    """What became of a campaign: its status now, and what whoever asked should know."""

    status: str
    warning: str = ""
    operation: int = 0


@blueprint.get("")
@blueprint.input(CampaignsAsked, location="query")
@gives(Rows[CampaignRow])
def index(query_data: dict[str, Any]) -> Response:
    """List campaigns, the newest first unless `sort` says otherwise."""
    which = CampaignFilter(**asks.filters(query_data, "order"))
    with reading() as connection:
        listed = list_campaigns(connection, asks.page(query_data), which, order=query_data["order"])
    return rows(listed, query_data["wanted"])


@blueprint.get("/<name>")
@blueprint.input(asks.One, location="query")
@gives(CampaignRow)
def show(name: str, query_data: dict[str, Any]) -> Response:
    """Give one campaign and how far it is."""
    with reading() as connection:
        found = _found(connection, name)
    return one(found, query_data["wanted"])


@blueprint.get("/<name>/runs")
@blueprint.input(asks.Part, location="query")
@gives(Rows[CampaignRun])
def list_runs(name: str, query_data: dict[str, Any]) -> Response:
    """List a campaign's runs with how far their files are in it, those that were known last first."""
    with reading() as connection:
        if not is_campaign(connection, name):
            raise _unknown(name)
        listed = campaign_runs(connection, name, asks.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.get("/<name>/left-out")
@blueprint.input(asks.Part, location="query")
@gives(Rows[Judged])
def list_left_out(name: str, query_data: dict[str, Any]) -> Response:
    """Name the files that fit a campaign's choice of runs and cannot start as things are now, each with why."""
    with reading() as connection:
        listed = left_out(connection, _found(connection, name), asks.page(query_data))
    return rows(listed, query_data["wanted"])


@blueprint.post("")
@blueprint.input(asks.Changing, location="query")
@or_later
@gives(Taken, refuses=(404, 409))
@takes(Create, {"name": "reprocess-2026", "pipeline": "default", "runs": CHOICE, "reason": "new gains"})
@needs(Role.OPERATOR)
def create(query_data: dict[str, Any], asked: Create) -> Response:
    """Begin a campaign. Up to 1,000 files become its items at once; more are made by a daemon (202)."""
    book = here().settings.book
    if book is None:
        raise RefusedError("this service does not know the pipelines: it only shows")
    wanted = Wanted(
        name=asked.name,
        pipeline=asked.pipeline,
        query=asked.runs,
        version=asked.version,
        start_state=asked.start_state,
        lane=asked.lane,
        weight=asked.weight,
        note=asked.note,
    )

    def begin(connection: Connection) -> Begun | Plan:
        if query_data["dry_run"]:
            return campaign_operate.count(connection, wanted, book)
        return campaign_operate.create(connection, wanted, book, who().name, asked.reason)

    return _take(asked, wanted.name, begin, dry_run=query_data["dry_run"])


@blueprint.post("/<name>/grow")
@blueprint.input(asks.Changing, location="query")
@or_later
@gives(Taken, refuses=(404, 409))
@takes(Grow, {"reason": "the runs of this week", "runs": CHOICE})
@needs(Role.OPERATOR)
def grow(name: str, query_data: dict[str, Any], asked: Grow) -> Response:
    """Take in the runs that fit by now, and what has come of those that the campaign has."""

    def begin(connection: Connection) -> Begun | Plan:
        if query_data["dry_run"]:
            return campaign_operate.count_growth(connection, name, asked.runs)
        return campaign_operate.grow(connection, name, who().name, asked.reason, asked.runs)

    return _take(asked, name, begin, dry_run=query_data["dry_run"])


@blueprint.post("/<name>/pause")
@blueprint.input(asks.Changing, location="query")
@gives(Told, refuses=(404, 409))
@takes(Reasoned, {"reason": "the disk is full"})
@needs(Role.OPERATOR)
def pause(name: str, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """Send nothing more out for a campaign until it is resumed; what runs ends."""
    return _tell(asked, campaign_operate.pause, name, query_data)


@blueprint.post("/<name>/resume")
@blueprint.input(asks.Changing, location="query")
@gives(Told, refuses=(404, 409))
@takes(Reasoned, {"reason": "there is room again"})
@needs(Role.OPERATOR)
def resume(name: str, query_data: dict[str, Any], asked: Reasoned) -> Response:
    """Let a paused campaign go on."""
    return _tell(asked, campaign_operate.resume, name, query_data)


@blueprint.post("/<name>/close")
@blueprint.input(asks.Changing, location="query")
@gives(Told, refuses=(404, 409))
@takes(CloseCampaign, {"reason": "all that was wanted is done", "cancel": False})
@needs(Role.OPERATOR)
def close(name: str, query_data: dict[str, Any], asked: CloseCampaign) -> Response:
    """Let no more runs join a campaign; what it has goes on, or is stopped and held."""
    dry_run, ended = query_data["dry_run"], list[campaign_make.Made | Ended]()

    def change(connection: Connection) -> Told:
        at = close_campaign(connection, name, who().name, asked.reason, cancel=asked.cancel, dry_run=dry_run)
        ended.append(at)
        return Told(
            done=at.sentence,
            changed=at.cancelled,
            link=_link(name),
            dry_run=dry_run,
            status=at.changed.status,
            operation=at.operation,
        )

    answer = once(msgspec.to_builtins(asked), change, dry_run=dry_run)
    follow_up(ended, dry_run=dry_run)
    return as_json(answer)


def _found(connection: Connection, name: str) -> CampaignRow:
    found = campaign_of(connection, name)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no campaign {name} here.")


def _link(name: str) -> str:
    return f"/campaigns/{name}"


def _take(asked: Any, name: str, begin: Callable[[Connection], Begun | Plan], *, dry_run: bool) -> Response:
    made: list[campaign_make.Made | Ended] = []

    def change(connection: Connection) -> Taken:
        patiently(connection)
        begun = begin(connection)
        if isinstance(begun, Plan):
            sentence = f"{begun.size} would be taken in"
            return Taken(done=sentence, changed=0, link=_link(name), dry_run=True, operation=0, waits=False, plan=begun)
        waits = start(connection, begun, made)
        return Taken(
            done=f"campaign {name} takes in {begun.plan.size}",
            changed=begun.plan.files,
            link=_link(name),
            dry_run=False,
            operation=begun.job,
            waits=waits,
            plan=begun.plan,
        )

    answer = once(msgspec.to_builtins(asked), change, dry_run=dry_run)
    follow_up(made, dry_run=dry_run)
    response = as_json(answer, 202 if answer["waits"] else 200)
    if answer["operation"]:
        response.headers["Location"] = url_for("api_operations.show", number=answer["operation"])
    return response


def _tell(asked: Any, change: Callable[..., Changed], name: str, query: dict[str, Any]) -> Response:
    def told(connection: Connection) -> Told:
        done = change(connection, name, who().name, asked.reason)
        sentence = f"campaign {name} is {done.status}{'' if done.changed else ' already'}"
        return Told(
            done=sentence,
            changed=int(done.changed),
            link=_link(name),
            dry_run=query["dry_run"],
            status=done.status,
            warning=done.warning,
        )

    return as_json(once(msgspec.to_builtins(asked), told, dry_run=query["dry_run"]))
