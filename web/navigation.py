"""The pages that every page leads to, in the order of the line at the top."""

from collections.abc import Iterator
from typing import NamedTuple

from flask import Flask, current_app, url_for


class Entry(NamedTuple):
    """A page: the endpoint that shows it, what the link says, and the key that goes there after `g`."""

    endpoint: str
    label: str
    key: str


class Link(NamedTuple):
    """A link to a page, as the templates need it."""

    href: str
    label: str
    key: str
    name: str


NAV = (
    Entry("runs.show", "Runs", "r"),
    Entry("failures.show", "Failures", "f"),
    Entry("latency.show", "Latency", "l"),
    Entry("dead.show", "Dead letters", "d"),
)


def install(app: Flask) -> None:
    """Give the templates the links."""
    app.add_template_global(navigation)


def navigation() -> Iterator[Link]:
    """Give the links to the pages that this application has."""
    for endpoint, label, key in NAV:
        if endpoint in current_app.view_functions:
            yield Link(url_for(endpoint), label, key, endpoint.partition(".")[0])
