"""`/campaigns/new`: the form that begins a campaign. It counts exactly what that would take in before it is done."""

import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flask import Blueprint, Response, make_response, render_template, request
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from ...statemachine.lifecycle import states_of
from ...statemachine.store import campaign_operate
from ...statemachine.store.campaign_make import Made
from ...statemachine.store.campaign_operate import Wanted
from ...statemachine.store.campaign_plan import Plan
from ...statemachine.store.campaign_query import MOST, RunChoice
from ...statemachine.store.campaigns import Book
from ...statemachine.store.errors import NotFoundError, RefusedError
from ...statemachine.store.runs import QUALITIES
from .. import asked, campaigning
from ..access.identity import Role, needs
from ..context import changing, here, reading
from . import acting

SPAN = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?")
blueprint = Blueprint("campaign_form", __name__)


class Choices(NamedTuple):
    """What the form can be set to: pipelines as they are configured, their states, all run types."""

    pipelines: tuple[str, ...]
    states: tuple[str, ...]
    kinds: tuple[str, ...]


@blueprint.get("/campaigns/new")
@needs(Role.OPERATOR)
def show() -> Response:
    """Show the form, empty or as the address says."""
    return _form(request.args, None, "", 200)


@blueprint.post("/campaigns/new")
@needs(Role.OPERATOR)
def begin() -> Response:
    """Count what a campaign would take in, or begin it."""
    try:
        wanted = _wanted()
        if request.form.get("do") != "begin":
            with reading() as connection:
                return _form(request.form, _counted(connection, wanted), "", 200)
        _begin(wanted)
    except HTTPException as error:
        return _form(request.form, None, str(error.description), error.code or 400)
    except (RefusedError, NotFoundError) as error:
        return _form(request.form, None, str(error), 404 if isinstance(error, NotFoundError) else 409)
    return acting.back("campaigns.one", "begin", name=wanted.name)


def _book() -> Book:
    book = here().settings.book
    if book is None:
        raise NotFound("This service does not know the pipelines: it only shows.")
    return book


def _counted(connection: Connection, wanted: Wanted) -> Plan:
    campaigning.patiently(connection)
    return campaign_operate.count(connection, wanted, _book())


def _begin(wanted: Wanted) -> None:
    why, made = acting.reason(), list[Made | campaigning.Ended]()
    with changing() as connection:
        campaigning.patiently(connection)
        begun = campaign_operate.create(connection, wanted, _book(), acting.actor(), why)
        campaigning.start(connection, begun, made)
    campaigning.follow_up(made, dry_run=False)


def _form(values: Mapping[str, Any], plan: Plan | None, problem: str, code: int) -> Response:
    twin = (command(_wanted(), acting.field("reason")), "") if plan else None
    page = render_template(
        "campaign_form.html",
        values=values,
        choices=_choices(),
        plan=plan,
        problem=problem,
        twin=twin,
        qualities=QUALITIES,
    )
    return make_response(page, code)


def _choices() -> Choices:
    book = _book()
    pipelines = {each.name: each for each in (book.default, *book.pipelines.values())}
    states = dict.fromkeys(state for each in pipelines.values() for state in states_of(each, "file")[:-1])
    return Choices(tuple(sorted(pipelines)), tuple(states), tuple(sorted(book.pipelines)))


def _wanted() -> Wanted:
    """Read the form. Raises `BadRequest` naming what cannot be read."""
    weight = asked.whole(acting.field("weight") or "100", campaign_operate.HEAVIEST)
    if not weight:
        raise BadRequest("Weight: a whole number, please.")
    return Wanted(
        name=acting.field("name"),
        pipeline=acting.field("pipeline"),
        version=acting.field("version") or None,
        start_state=acting.field("start_state") or None,
        lane=acting.field("lane") or "bulk",
        weight=weight,
        note=acting.field("note"),
        query=RunChoice(
            numbers=_spans(acting.field("runs")),
            kind=tuple(request.form.getlist("kind"))[:100],
            quality=tuple(request.form.getlist("quality"))[:100],
            state=tuple(filter(None, (acting.field("state"),))),
            since=_moment("since"),
            until=_moment("until"),
            campaign=acting.field("campaign") or None,
        ),
    )


def _spans(written: str) -> tuple[tuple[int, int], ...]:
    found = []
    for part in re.split(r"[\s,;]+", written) if written else ():
        match = SPAN.fullmatch(part)
        if match is None:
            raise BadRequest(f"“{part[:40]}” is no run number; write numbers or ranges, such as 1201 1203-1210.")
        found.append((int(match[1]), int(match[2] or match[1])))
    if len(found) > MOST:
        raise BadRequest(f"More than {MOST:,} ranges of runs at once; please give fewer, or a type or a time.")
    return tuple(found)


def _moment(name: str) -> datetime | None:
    """Give a point in time that was written in the site's zone."""
    written = acting.field(name)
    if not written:
        return None
    try:
        return datetime.fromisoformat(written).replace(tzinfo=here().zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name.capitalize()}: “{written[:40]}” is no time.") from error


def command(wanted: Wanted, reason: str) -> str:
    """Write the same as a command."""
    query = wanted.query
    words = ["headframe", "campaign", "create", wanted.name, "--pipeline", wanted.pipeline]
    pairs = [("--version", wanted.version), ("--start", wanted.start_state), ("--of", query.campaign)]
    pairs += [("--lane", wanted.lane if wanted.lane != "bulk" else None), ("--note", wanted.note or None)]
    pairs += [("--weight", str(wanted.weight) if wanted.weight != 100 else None)]
    pairs += [("--run", str(first) if first == last else f"{first}-{last}") for first, last in query.numbers]
    for option, values in (("--type", query.kind), ("--quality", query.quality), ("--state", query.state)):
        pairs += [(option, value) for value in values]
    for option, moment in (("--since", query.since), ("--until", query.until)):
        pairs += [(option, f"{moment:%Y-%m-%dT%H:%M}" if moment else None)]
    words += [word for option, value in pairs if value for word in (option, value)]
    return shlex.join([*words, "--reason", reason or "..."])
