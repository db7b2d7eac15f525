"""Sites as the configuration has them, so that pages and counts know them before their first file."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from ..records import Record
from .core import execute


class SiteRow(Record):
    """A site: its name, what it is for, and its root on the hosts of the services."""

    name: str
    kind: str
    path: str


class Measured(Record):
    """What a host sees of a site: `space` in bytes and files, or what is `wrong` with its root."""

    site: str
    space: dict[str, int] = {}
    wrong: str = ""


def declare(connection: Connection, sites: Iterable[SiteRow]) -> None:
    """Write the sites down, or what changed of them."""
    rows: list[dict[str, Any]] = [{"name": site.name, "kind": site.kind, "path": site.path} for site in sites]
    execute(connection, "declare_sites", rows)


def declared(connection: Connection, name: str) -> bool:
    """Say whether a conductor has written the site down; before, nothing can be said of it."""
    return bool(execute(connection, "site_declared", site=name)[0].there)


def measure(connection: Connection, found: Iterable[Measured], host: str) -> None:
    """Write down how much room there is at sites. Who cannot see a site that others see says nothing of it."""
    rows: list[dict[str, Any]] = [{"name": each.site, "space": each.space, "wrong": each.wrong} for each in found]
    execute(connection, "measure_sites", rows, host=host)
