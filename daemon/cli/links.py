"""The page that shows what a command was about: the last line of an answer to people."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import click

if TYPE_CHECKING:
    from .session import Session

LISTS = {
    "runs": "/",
    "files": "/",
    "attempts": "/",
    "campaigns": "/campaigns",
    "sites": "/sites",
    "dead-letters": "/dead-letters",
    "pauses": "/queues",
    "operations": "/operations",
}
"""Where each kind of list is shown."""
PAUSED = {"step": "/queues", "lane": "/queues", "site": "/sites", "worker": "/workers", "node": "/workers"}


def link(session: Session, path: str, *, err: bool = False) -> None:
    """Write the address of a page, where the configuration says under which address people know the pages."""
    if url := session.pages:
        click.echo(f"page: {url}{path}", err=err)


def link_run(session: Session, number: int, *, err: bool = False) -> None:
    """Write the address of a run's page."""
    link(session, f"/runs/{number}", err=err)


def link_campaign(session: Session, name: str) -> None:
    """Write the address of a campaign's page."""
    link(session, f"/campaigns/{quote(name, safe='')}")


def link_file(session: Session, name: str, run: int | None = None, *, err: bool = False) -> None:
    """Write the address of a file's page."""
    if not session.pages:
        return
    with session.asking() as ask:
        found = ask.file(name, run)
    if found is not None:
        link(session, f"/files/{found.id}", err=err)


def link_list(session: Session, kind: str, run: int | None) -> None:
    """Write the address of the page of a list, beside the list itself: that may go on into a pipe."""
    link(session, LISTS[kind] if run is None else f"/runs/{run}/files", err=True)
