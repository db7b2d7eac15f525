"""What operators say of campaigns: create, grow, pause, resume, close; each with a reason."""

import re
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, text

from ..lanes import LANES
from ..meeting import met
from ..records import Record
from .campaign_make import Growth, begin, judge_of
from .campaign_plan import Judge, Plan, plan
from .campaign_query import RunChoice
from .campaign_start import find_pipeline
from .campaigns import Book, ensure_pipeline
from .core import execute, notify
from .errors import NotFoundError, RefusedError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
RESERVED = ("attempts", "files", "logs", "new")
REALTIME = "realtime"
STATUSES = ("making", "open", "paused", "closed")
HEAVIEST = 1_000_000
REALTIME_WARNING = "nothing of it is done before it is resumed, live files too"


class Wanted(Record):
    """A campaign that somebody wants. Without a version the pipeline is taken as it is configured now, without a state
    it starts in the first one."""

    name: str
    pipeline: str
    query: RunChoice
    version: str | None = None
    start_state: str | None = None
    lane: str = "bulk"
    weight: int = 100
    note: str = ""


class Begun(Record):
    """A campaign that takes in runs: its number, that of the job that makes its items, and what was counted."""

    campaign: str
    campaign_id: int
    job: int
    plan: Plan


class Changed(Record, omit_defaults=False):
    """What became of a campaign: its status now, whether that is new, and what whoever asked should know."""

    campaign: str
    status: str
    changed: bool
    warning: str = ""


def count(connection: Connection, wanted: Wanted, book: Book) -> Plan:
    """Count exactly what a campaign would take in now, and refuse what creating it would refuse: the dry run."""
    _check(wanted)
    there = connection.execute(text("select from campaign where name = :name"), {"name": wanted.name}).first()
    if there is not None:
        raise RefusedError(f"there is a campaign {wanted.name} already; grow it, or take another name")
    pipeline = find_pipeline(connection, book, wanted.pipeline, wanted.version)
    return plan(connection, Judge(pipeline=pipeline, state=wanted.start_state or pipeline.initial, query=wanted.query))


def create(connection: Connection, wanted: Wanted, book: Book, actor: str, reason: str) -> Begun:
    """Begin a campaign; its items are made by the job that this gives. Raises `RefusedError`, `NotFoundError`."""
    _check_reason(reason)
    counted = count(connection, wanted, book)
    if not counted.files:
        raise RefusedError(f"no file that fits can start: {_why_none(counted)}")
    pipeline = find_pipeline(connection, book, wanted.pipeline, wanted.version)
    values: dict[str, Any] = {
        "called": wanted.name,
        "pipeline_id": ensure_pipeline(connection, pipeline),
        "lane": wanted.lane,
        "weight": wanted.weight,
        "note": wanted.note,
        "start_state": counted.start_state,
        "query": msgspec.json.encode(wanted.query).decode(),
    }
    made = execute(connection, "insert_campaign", actor=actor, reason=reason, **values)
    if not made:
        raise RefusedError(f"there is a campaign {wanted.name} already; grow it, or take another name")
    return _begin(connection, "campaign-create", _locked(connection, wanted.name), wanted.query, counted, actor, reason)


def count_growth(connection: Connection, name: str, query: RunChoice | None = None) -> Plan:
    """Count exactly what a campaign would take in besides what it has: the dry run of `grow`."""
    row = _growing(_row(connection, name))
    return plan(connection, judge_of(connection, row.id, query or _query(row)))


def grow(
    connection: Connection,
    name: str,
    actor: str,
    reason: str,
    query: RunChoice | None = None,
) -> Begun:
    """Take in what fits a campaign's query by now, or another one; and what is new of the runs that it has."""
    _check_reason(reason)
    row = _growing(_locked(connection, name))
    counted = plan(connection, judge_of(connection, row.id, query or _query(row)))
    begun = _begin(connection, "campaign-grow", row, query or _query(row), counted, actor, reason)
    if row.status == "open":
        _set(connection, row, "making", actor, reason)
    return begun


def pause(connection: Connection, name: str, actor: str, reason: str) -> Changed:
    """Send nothing more out for a campaign. What is with workers ends; what it takes in is still made, and waits."""
    row = _locked(connection, name)
    if row.status == "closed":
        raise RefusedError(f"campaign {name} is closed; hold what is left of it: headframe hold --campaign {name} ...")
    warning = ""
    if row.kind == REALTIME:
        warning = (
            "new runs join it as long as its period lasts, and wait with it: nothing live is done until it resumes"
        )
    return _change(connection, row, "pause", "paused", actor, reason, warning)


def resume(connection: Connection, name: str, actor: str, reason: str) -> Changed:
    """Let a campaign go on."""
    row = _locked(connection, name)
    if row.status != "paused":
        raise RefusedError(f"campaign {name} is not paused, it is {row.status}")
    status = "making" if _jobs(connection, row.id) else "open"
    return _change(connection, row, "resume", status, actor, reason)


def close(connection: Connection, name: str, actor: str, reason: str) -> Changed:
    """Let no more runs join a campaign. What it has goes on, unless somebody cancels that as well."""
    row = _locked(connection, name)
    if row.kind == REALTIME:
        raise RefusedError(f"campaign {name} is where new runs go; the next one begins by itself with its period")
    return _change(connection, row, "close", "closed", actor, reason)


def _check(wanted: Wanted) -> None:
    if not NAME.fullmatch(wanted.name) or wanted.name in RESERVED or wanted.name.startswith(f"{REALTIME}-"):
        raise RefusedError(
            f"{wanted.name[:80]} cannot be a campaign's name: folders are called by it; letters, digits, dots, dashes "
            f"and underscores, at most 80, not {', '.join(RESERVED)} and not {REALTIME}-..."
        )
    if wanted.lane not in LANES:
        raise RefusedError(f"there is no lane {wanted.lane}; give one of {', '.join(LANES)}")
    if not 1 <= wanted.weight <= HEAVIEST:
        raise RefusedError(f"a weight is between 1 and {HEAVIEST:,}")


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise RefusedError("an operator's action needs a reason")


def _why_none(counted: Plan) -> str:
    reasons = [f"{left.sentence} ({left.runs} runs, {left.files} files)" for left in counted.left_out]
    return "; ".join(reasons) or "no run fits"


def _begin(
    connection: Connection, action: str, row: Row[Any], query: RunChoice, counted: Plan, actor: str, reason: str
) -> Begun:
    upto = connection.execute(text("select coalesce(max(id), 0) from run")).scalar_one()
    growth = Growth(campaign=row.name, campaign_id=row.id, query=query, upto=upto)
    job = begin(connection, action, growth, actor, reason, counted.files, row.lane)
    notify(connection, "campaign")
    return Begun(campaign=row.name, campaign_id=row.id, job=job, plan=counted)


def _row(connection: Connection, name: str, statement: str = "select * from campaign where name = :name") -> Row[Any]:
    row = connection.execute(text(statement), {"name": name}).first()
    if row is None:
        raise NotFoundError(f"there is no campaign {name}")
    return row


def _locked(connection: Connection, name: str) -> Row[Any]:
    return _row(connection, name, "select * from campaign where name = :name for no key update")


def _growing(row: Row[Any]) -> Row[Any]:
    """Refuse a campaign that cannot grow."""
    if row.kind == REALTIME:
        raise RefusedError(f"campaign {row.name} takes in new runs by itself")
    if row.status == "closed":
        since = f"{row.status_since:%Y-%m-%d %H:%M} UTC"
        raise RefusedError(f"campaign {row.name} is closed, since {since}; create another one")
    return row


def _query(row: Row[Any]) -> RunChoice:
    return msgspec.convert(row.query, met(RunChoice), strict=False)


def _jobs(connection: Connection, campaign_id: int) -> bool:
    return bool(connection.execute(text(_JOBS), {"id": campaign_id}).scalar_one())


def _change(
    connection: Connection,
    row: Row[Any],
    action: str,
    status: str,
    actor: str,
    reason: str,
    warning: str = "",
) -> Changed:
    _check_reason(reason)
    if row.status == status:
        return Changed(campaign=row.name, status=row.status, changed=False, warning=warning)
    said = msgspec.json.encode({"campaign": row.name, "campaign_id": row.id}).decode()
    values: dict[str, Any] = {"actor": actor, "action": f"campaign-{action}", "selection": said}
    execute(connection, "note_operation", reason=reason, total=1, changed=1, **values)
    _set(connection, row, status, actor, reason)
    notify(connection, "campaign")
    return Changed(campaign=row.name, status=status, changed=True, warning=warning)


def _set(connection: Connection, row: Row[Any], status: str, actor: str, reason: str) -> None:
    execute(connection, "set_campaign", campaign_id=row.id, status=status, actor=actor, reason=reason)


_JOBS = """
select exists (select from operation where status = 'running' and action in ('campaign-create', 'campaign-grow')
  and cast(selection ->> 'campaign_id' as bigint) = :id)
"""
