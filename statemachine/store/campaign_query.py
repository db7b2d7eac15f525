"""Which runs a campaign takes in: by number, type, quality, state, time, or as another campaign has them."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import Connection, text

from ..records import Record
from .errors import NotFoundError, RefusedError

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Word = Annotated[str, Meta(min_length=1, max_length=100)]
Time = Annotated[datetime, Meta(tz=True)]
Span = tuple[Number, Number]
MOST = 1000


class RunChoice(Record, forbid_unknown_fields=True):
    """Which runs: every condition that is set must hold, each by any of its values.

    `numbers` are ranges, both ends included; `state` is where a run's own item is, in the campaign that it came in by;
    `since` and `until` compare with a run's start; `campaign` takes the runs that another campaign has.
    """

    numbers: Annotated[tuple[Span, ...], Meta(max_length=MOST)] = ()
    kind: Annotated[tuple[Word, ...], Meta(max_length=100)] = ()
    quality: Annotated[tuple[Word, ...], Meta(max_length=100)] = ()
    state: Annotated[tuple[Word, ...], Meta(max_length=100)] = ()
    since: Time | None = None
    until: Time | None = None
    campaign: Word | None = None


def check(connection: Connection, query: RunChoice) -> None:
    """Refuse a query that names nothing, or a campaign that is not there."""
    if query == RunChoice():
        raise RefusedError("this takes in no runs; give run numbers, a type, a quality, a state, a time or a campaign")
    if len(query.numbers) > MOST:
        raise RefusedError(f"more than {MOST} ranges of runs at once; give fewer, or a type or a time")
    if any(first > last for first, last in query.numbers):
        raise RefusedError("a range of runs ends before it begins")
    if query.campaign is not None:
        there = connection.execute(text("select from campaign where name = :name"), {"name": query.campaign})
        if there.first() is None:
            raise NotFoundError(f"there is no campaign {query.campaign}")


def said(query: RunChoice) -> str:
    """Say in words which runs these are."""
    spans = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in query.numbers)
    parts = [
        f"runs {spans}" if spans else "",
        f"of type {' or '.join(query.kind)}" if query.kind else "",
        f"of quality {' or '.join(query.quality)}" if query.quality else "",
        f"that are {' or '.join(query.state)}" if query.state else "",
        f"begun since {query.since:%Y-%m-%d %H:%M} UTC" if query.since else "",
        f"begun before {query.until:%Y-%m-%d %H:%M} UTC" if query.until else "",
        f"of campaign {query.campaign}" if query.campaign else "",
    ]
    return ", ".join(part for part in parts if part)


def where(query: RunChoice, campaign_id: int = 0) -> tuple[str, dict[str, Any]]:
    """Give a condition on `run` and its values; with a campaign, the runs that it has already belong to it too."""
    parts, values = ["true"], dict[str, Any]()
    for field, (condition, given) in _conditions(query).items():
        if getattr(query, field):
            parts.append(condition)
            values |= given
    wanted = " and ".join(parts)
    if not campaign_id:
        return wanted, values
    return f"(({wanted}) or {_IN.format(campaign=':campaign_id')})", {**values, "campaign_id": campaign_id}


_IN = "exists (select from item o where o.campaign_id = {campaign} and o.run_id = run.id and o.scope = 'run')"
_OWN = """exists (select from item o where o.campaign_id = run.campaign_id and o.run_id = run.id and o.scope = 'run'
  and o.state = any(:run_states))"""


def _conditions(query: RunChoice) -> dict[str, tuple[str, dict[str, Any]]]:
    spans = " or ".join(f"run.number between :first_{n} and :last_{n}" for n in range(len(query.numbers)))
    ends = {f"{end}_{n}": span[i] for n, span in enumerate(query.numbers) for i, end in enumerate(("first", "last"))}
    of_campaign = _IN.format(campaign="(select id from campaign where name = :of_campaign)")
    return {
        "numbers": (f"({spans})", ends),
        "kind": ("run.kind = any(:run_kinds)", {"run_kinds": list(query.kind)}),
        "quality": ("run.quality = any(:run_qualities)", {"run_qualities": list(query.quality)}),
        "state": (_OWN, {"run_states": list(query.state)}),
        "since": ("run.started_at >= :run_since", {"run_since": query.since}),
        "until": ("run.started_at < :run_until", {"run_until": query.until}),
        "campaign": (of_campaign, {"of_campaign": query.campaign}),
    }
