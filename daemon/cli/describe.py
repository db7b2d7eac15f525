"""`headframe describe`: all that is known of one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from .codes import Code, not_found
from .columns import ATTEMPTS, CAMPAIGNS, SITES, Column, copies, counted, events, field
from .links import link, link_campaign
from .output import write_one
from .session import Session, pass_session
from .subject import run_number, the_file, the_run
from .text import Screen
from .units import printable
from .usage import USAGE, lines

if TYPE_CHECKING:
    from ...statemachine.views import Dropped, FileDetail, FileRow, RunDetail, StepsUsage
    from .behind.contract import Questions

REPLICAS = (
    field("ROLE"),
    field("SITE"),
    field("STATUS"),
    field("SIZE", kind="size"),
    field("VERIFIED", "verified_at", "time"),
    Column("PATH", lambda row: row.link or row.path),
)
PRODUCTS = (
    field("STEP"),
    field("NAME"),
    field("TYPE"),
    field("SIZE", kind="size"),
    Column("EVENTS", events),
    field("SOFTWARE"),
    field("CONFIGURATION"),
    field("BLAKE3"),
    Column("SUPERSEDED", lambda row: row.superseded_reason or row.superseded_at, "time"),
)
HISTORY = (
    field("AT", kind="time"),
    field("TRIGGER"),
    Column("FROM", lambda row: f"{row.from_state} {row.from_phase}" if row.from_state else ""),
    Column("TO", lambda row: f"{row.to_state} {row.to_phase}"),
    field("EPOCH", "to_epoch", "number"),
    field("BY", "actor"),
    Column("REASON", lambda row: ": ".join(part for part in (row.reason_code, row.reason) if part)),
)
LETTERS = (field("LAST", "last_at", "time"), field("TIMES", "count", "number"), field("CODE"), field("SENTENCE"))
REASONS = (
    field("FILES", "n", "number"),
    field("PHASE"),
    field("STEP"),
    field("CODE", "reason_code"),
    field("EXAMPLE"),
    field("TEXT", "reason"),
)
OPERATIONS = (field("AT", kind="time"), field("BY", "actor"), field("OPERATION"), field("REASON"))
NOTES = (field("AT", kind="time"), field("BY", "author"), field("KIND"), field("FILE"), field("TEXT"))
ABSENT = (
    field("NAME"),
    field("SEQ", "sequence", "number"),
    field("SIZE", "expected_size", "size"),
    Column("WAIVED", lambda row: f"{row.waived_by}: {row.waived_reason}" if row.waived else ""),
)
SPANS = (field("FIRST", kind="number"), field("LAST", kind="number"))
KINDS = ("run", "file", "campaign", "site")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option("-o", "--output", type=click.Choice(("table", "json", "yaml")), default="table", help="Format.")
@click.option("--bytes", "exact", is_flag=True, help="Sizes in exact bytes.")
@pass_session
def describe(session: Session, kind: str, name: str, output: str, exact: bool) -> int:
    """Tell all that is known of one run, file, campaign or site."""
    with session.asking() as ask:
        found = FIND[kind](ask, name)
        used = _used(ask, kind, name) if output == "table" else None
    if output != "table":
        write_one(found, output)
        return Code.DONE
    screen = Screen(session.zone, exact=exact)
    shown: Callable[[Screen, Any, Any], None] = SCREENS.get(kind, _plain_screen)
    shown(screen, found, used)
    screen.show()
    if kind == "campaign":
        link_campaign(session, name)
    else:
        pages = {"run": f"/runs/{name}", "file": f"/files/{getattr(found, 'id', '')}"}
        link(session, pages.get(kind, f"/{kind}s"))
    return Code.DONE


def _run_screen(screen: Screen, found: RunDetail, used: StepsUsage | None) -> None:
    row, judged = found.row, found.judged
    screen.title(f"run {row.number}  {row.kind or 'of unknown type'}", " ".join((row.state, row.phase)).strip())
    screen.fields(
        [
            ("campaign", row.campaign),
            ("started", row.started),
            ("ended", row.ended),
            ("closed", row.closed),
            ("closed by", found.closed_by),
            ("source", found.source),
            ("expected", row.expected if row.expected is not None else "not announced"),
            ("registered", row.registered),
            ("declared missing", row.waived or None),
            ("missing", row.missing),
            ("last file", found.last_file_at),
            ("files", "; ".join(f"{state}: {counted(phases)}" for state, phases in row.files.items())),
            ("copies", copies(row)),
            ("quality", row.quality if judged is None else f"{row.quality}, {judged.actor} says: {judged.reason}"),
            ("judged", judged and judged.at),
        ]
    )
    screen.fields((f"meta {key}", str(value)) for key, value in found.metadata.items())
    screen.table("In trouble or tried again", found.reasons, REASONS)
    screen.table("Missing sequence numbers", found.gaps.ranges, SPANS)
    screen.table("Announced, not here", found.gaps.files, ABSENT)
    screen.table("Products of the whole run", found.products, PRODUCTS)
    screen.table("Used so far", lines(used), USAGE)
    screen.table("Dead letters", found.dead_letters, LETTERS)
    screen.table("Notes", found.notes[::-1], NOTES)
    screen.table("What operators did", found.operations, OPERATIONS)
    screen.table("History", found.history, HISTORY)
    _dropped(screen, found.dropped)
    screen.text("", f"next: headframe why run {row.number}, headframe get files --run {row.number}")


def _file_screen(screen: Screen, found: FileDetail, _: object) -> None:
    first = found.items[0] if found.items else None
    screen.title(f"file {found.name}", f"{first.state} {first.phase}" if first else "not here")
    screen.fields([("run", found.run), ("sequence", found.sequence)])
    screen.fields([("size", found.size), ("announced size", found.expected_size)], "size")
    screen.fields(
        [
            ("place", f"{found.site}:{found.path}" if found.path else None),
            ("inbox", found.inbox),
            ("arrived", found.registered_at),
            ("declared missing", found.waived_at),
            ("because", found.waived_reason),
            ("adler32", found.adler32),
            ("blake3", found.blake3),
            ("events", events(found)),
            ("secured", found.secured_at),
        ]
    )
    for item in found.items:
        _item(screen, item)
    screen.table("Replicas", found.replicas, REPLICAS)
    screen.table("Products", found.products, PRODUCTS)
    screen.table("Attempts", found.attempts, ATTEMPTS)
    screen.table("Dead letters", found.dead_letters, LETTERS)
    screen.table("History", found.history, HISTORY)
    _dropped(screen, found.dropped)
    screen.text("", f"next: headframe why file {printable(found.name)}")


def _dropped(screen: Screen, dropped: Sequence[Dropped]) -> None:
    for then in dropped:
        left_off = f"dropped; it left off at {then.state} {then.phase}, epoch {then.epoch}"
        screen.fields([("older history", left_off), ("that was on", then.at)])


def _item(screen: Screen, item: FileRow) -> None:
    screen.text("", f"in campaign {item.campaign}")
    screen.fields(
        [
            ("state", f"{item.state} {item.phase}"),
            ("step", item.step),
            ("since", item.since),
            ("next try", item.not_before),
            ("attempts", item.attempts),
            ("worker", f"{item.owner} on {item.host}" if item.owner else None),
            ("lease until", item.lease_until),
            ("reason", ": ".join(part for part in (item.reason_code, item.reason) if part)),
            ("log", item.log),
        ]
    )


def _plain_screen(screen: Screen, found: Any, used: StepsUsage | None) -> None:
    columns = CAMPAIGNS if hasattr(found, "pipeline") else SITES
    screen.title(found.name, found.status)
    for column in columns[1:]:
        screen.fields([(column.head.lower(), column.get(found))], column.kind)
    screen.fields([("note", getattr(found, "note", None))])
    screen.table("Used so far", lines(used), USAGE)


def _campaign(ask: Questions, name: str) -> Any:
    found = ask.campaign(name)
    return _only(() if found is None else (found,), "campaign", name)


def _site(ask: Questions, name: str) -> Any:
    return _only(tuple(row for row in ask.sites() if row.name == name), "site", name)


def _used(ask: Questions, kind: str, name: str) -> StepsUsage | None:
    if kind == "run":
        return ask.usage_of_run(run_number(name))
    return ask.usage_of_campaign(name) if kind == "campaign" else None


def _only(rows: tuple[Any, ...], kind: str, name: str) -> Any:
    if not rows:
        raise not_found(f"there is no {kind} {printable(name)}", f"headframe get {kind}s")
    return rows[0]


FIND: dict[str, Callable[[Any, str], Any]] = {
    "run": the_run,
    "file": the_file,
    "campaign": _campaign,
    "site": _site,
}
SCREENS: dict[str, Callable[[Screen, Any, Any], None]] = {"run": _run_screen, "file": _file_screen}
COMMANDS = {"describe": describe}
