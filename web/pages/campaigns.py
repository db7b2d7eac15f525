"""`/campaigns`: all of them with how far each is, and its runs; `/campaigns/<name>`: one, and what can be done."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from flask import Blueprint, Response, request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound

from ...statemachine.store import campaign_operate
from ...statemachine.store.campaign_make import Made
from ...statemachine.store.campaign_plan import sentence
from ...statemachine.views import (
    CampaignFilter,
    CampaignRow,
    CampaignRun,
    Forecast,
    Page,
    campaign_and_forecast,
    campaign_runs,
    usage_of_campaign,
)
from ...statemachine.views import campaigns as list_campaigns
from .. import asked, bars, campaigning, orders
from ..access.identity import Role, needs
from ..context import changing, reading
from ..live import live_page
from . import acting
from .acting import Act

ROWS = 50
OPENED = 10
"""How many runs of a campaign the list shows beneath it."""
SAYS = {
    "pause": "Nothing more is sent out for it; what is with workers runs on to its end.",
    "resume": "What waits goes out again, in its order.",
    "close": "No more runs join it, which cannot be taken back. What it has goes on.",
    "end": "No more runs join it, which cannot be taken back. What is not done is stopped and held.",
}
WORDS = {"end": "close --cancel"}
blueprint = Blueprint("campaigns", __name__)


class RunLine(NamedTuple):
    """A run of a campaign, and the bar of its files."""

    row: CampaignRun
    bar: tuple[bars.Segment, ...]


class Line(NamedTuple):
    """A campaign as its row shows it; `share` of it is done, of 100; `runs` are shown where it is opened."""

    row: CampaignRow
    bar: tuple[bars.Segment, ...]
    share: float
    runs: tuple[RunLine, ...] = ()
    more: bool = False


@blueprint.get("/campaigns")
def show() -> Response:
    """List campaigns, the newest first; `open` names one whose first runs are shown beneath it."""
    where = CampaignFilter(text=asked.word("text"), status=asked.word("status"), kind=asked.word("kind"))
    page, opened = asked.page(ROWS), asked.word("open")
    with reading() as connection:
        listed = list_campaigns(connection, page, where)
        lines = _lines(connection, listed.rows, opened)
    return live_page(
        "campaigns",
        lines=lines,
        following=listed.next,
        page=page,
        where=where,
        opened=opened,
        statuses=campaign_operate.STATUSES,
        operator=acting.operator(),
        did=acting.did(),
    )


@blueprint.get("/campaigns/<name>")
def one(name: str) -> Response:
    """Show one campaign: how far it is, when it will be done, its runs, what it left out."""
    page = asked.page(ROWS)
    with reading() as connection:
        row, forecast = _found(connection, name)
        runs = campaign_runs(connection, name, page)
        states = orders.states_of_campaigns(connection, [name]).get(name, ())
        line = _line(connection, row, states, None)
        act = _offered(connection, row)
        used = usage_of_campaign(connection, name)
    return live_page(
        "campaign",
        used=used,
        row=row,
        line=line,
        runs=_run_lines(runs.rows, states),
        following=runs.next,
        page=page,
        reached=bars.reached(row.states, states),
        states=states,
        left_out=[(n, sentence(code), code) for code, n in sorted(row.left_out.items())],
        chosen=campaigning.said_of(row),
        forecast=forecast,
        operator=acting.operator(),
        offers=_offers(row),
        act=act,
        did=acting.did(),
    )


@blueprint.post("/campaigns/<name>")
@needs(Role.OPERATOR)
def change(name: str) -> Response:
    """Let a campaign grow, rest, go on, or end."""
    verb, why = acting.field("act"), acting.reason()
    done: list[Made | campaigning.Ended] = []
    with changing() as connection:
        if verb == "grow":
            campaigning.patiently(connection)
            begun = campaign_operate.grow(connection, name, acting.actor(), why)
            campaigning.start(connection, begun, done)
        elif verb in ("close", "end"):
            cancel = verb == "end"
            done.append(campaigning.close_campaign(connection, name, acting.actor(), why, cancel=cancel, dry_run=False))
        elif verb == "pause":
            campaign_operate.pause(connection, name, acting.actor(), why)
        elif verb == "resume":
            campaign_operate.resume(connection, name, acting.actor(), why)
        else:
            raise BadRequest("This form asks for an action that there is not.")
    campaigning.follow_up(done, dry_run=False)
    return acting.back("campaigns.one", verb, name=name)


def _found(connection: Connection, name: str) -> tuple[CampaignRow, Forecast | None]:
    found = campaign_and_forecast(connection, name) if "\0" not in name else None
    if found is None:
        raise NotFound(f"There is no campaign {name[:100]} here.")
    return found


def _lines(connection: Connection, rows: Sequence[CampaignRow], opened: str | None = None) -> list[Line]:
    states = orders.states_of_campaigns(connection, (row.name for row in rows))
    return [_line(connection, row, states.get(row.name, ()), opened) for row in rows]


def _line(connection: Connection, row: CampaignRow, states: Sequence[str], opened: str | None) -> Line:
    bar = bars.files_bar(row.files, states, {})
    share = round(100 * row.done / row.total, 1) if row.total else 0.0
    if row.name != opened:
        return Line(row, bar, share)
    runs = campaign_runs(connection, row.name, Page(limit=OPENED))
    return Line(row, bar, share, _run_lines(runs.rows, states), bool(runs.next))


def _run_lines(rows: Sequence[CampaignRun], states: Sequence[str]) -> tuple[RunLine, ...]:
    return tuple(RunLine(each, bars.files_bar(each.files, states, {})) for each in rows)


def _offers(row: CampaignRow) -> tuple[tuple[str, str], ...]:
    """Give the actions that this campaign allows now, each with what its link says."""
    paused = ("resume", "resume") if row.status == "paused" else ("pause", "pause")
    if row.status == "closed":
        return ()
    if row.kind == campaign_operate.REALTIME:
        return (paused,)
    return (("grow", "grow"), paused, ("close", "close"), ("end", "close and cancel"))


def _offered(connection: Connection, row: CampaignRow) -> Act | None:
    """Give the form that the address asks for; none where it asks for none, or who looks may not."""
    verb = request.args.get("act", "")
    if not verb or not acting.operator():
        return None
    words = dict(_offers(row))
    if verb not in words:
        raise BadRequest("This address asks for an action that this campaign does not allow now.")
    says = _growth(connection, row) if verb == "grow" else SAYS[verb]
    if verb == "pause" and row.kind == campaign_operate.REALTIME:
        says += f" New runs join it all the same, and wait: {campaign_operate.REALTIME_WARNING}."
    path = url_for("api_campaigns.show", name=row.name).removeprefix("/api/v1")
    body = '{"reason": "...", "cancel": true}' if verb == "end" else '{"reason": "..."}'
    return Act(
        verb="close" if verb == "end" else verb,
        title=f"{words[verb]} campaign {row.name}".capitalize(),
        says=says,
        fields={"act": verb},
        command=f"headframe campaign {WORDS.get(verb, verb)} {shlex.quote(row.name)}",
        curl=acting.twin("POST", f"{path}/{'close' if verb == 'end' else verb}", body),
    )


def _growth(connection: Connection, row: CampaignRow) -> str:
    campaigning.patiently(connection)
    plan = campaign_operate.count_growth(connection, row.name)
    left = "".join(f" Left out: {each.size}: {each.sentence}{_few(each.names, each.files)}." for each in plan.left_out)
    numbers = _few([str(number) for number in plan.numbers], plan.runs)
    return f"It would take in {plan.size}{numbers}, besides the {plan.there:,} it has.{left}"


def _few(names: Sequence[str], of: int) -> str:
    """Name the first few."""
    return f" ({', '.join(names)}{', ...' if of > len(names) else ''})" if names else ""
