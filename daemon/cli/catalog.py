"""`headframe catalog`: find what can be read of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import columns as c
from .codes import Code, not_found
from .links import link
from .output import Output, output_options, write_rows
from .session import Session, pass_session

if TYPE_CHECKING:
    from ...statemachine.views import CatalogEntry, Place
    from .behind.contract import Questions


class Line:
    """An entry at one of its places; `shown` is the path under which it opens here."""

    def __init__(self, entry: CatalogEntry, place: Place | None, shown: str) -> None:
        self.entry, self.place, self.shown = entry, place, shown
        self.site = place.site if place else ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.entry, name)


@click.group()
def catalog() -> None:
    """Find what can be read of a run, and where."""


@catalog.command("find")
@click.option("--run", type=click.IntRange(min=0), required=True, help="Of this run.")
@click.option("--event", type=click.IntRange(min=0), help="That cover this event.")
@click.option("--type", "kind", help="Of this type: raw, or a product's.")
@click.option("--site", help="That lie at this site.")
@output_options
@pass_session
def find(
    session: Session,
    run: int,
    event: int | None,
    kind: str | None,
    site: str | None,
    output: str,
    no_headers: bool,
    exact: bool,
) -> int:
    """Give paths that open here, one a place; -o name gives nothing else.

    \b
    headframe catalog find --run 1234 --event 17 --type reconstructed -o name
    """
    with session.asking() as ask:
        found = ask.catalog(run, event, kind, site)
        if not found and ask.run(run) is None:
            raise not_found(f"there is no run {run}", "headframe get runs")
        lines = [line for entry in found for line in _lines(ask, entry)]
    wanted = Output(output, not no_headers, exact)
    n = write_rows(lines, c.CATALOG, wanted, session.zone, lambda line: line.shown, _record)
    if n:
        if wanted.is_table:
            link(session, f"/runs/{run}", err=True)
        return Code.DONE
    raise not_found(f"nothing of run {run} matches", f"headframe catalog find --run {run}, headframe why run {run}")


def _lines(ask: Questions, entry: CatalogEntry) -> list[Line]:
    return [Line(entry, place, ask.place(place)) for place in entry.locations] or [Line(entry, None, "")]


def _record(line: Line) -> object:
    import msgspec

    record = msgspec.to_builtins(line.entry)
    record.pop("locations")
    return {"path": line.shown, "site": line.site, **record}


COMMANDS = {"catalog": catalog}
