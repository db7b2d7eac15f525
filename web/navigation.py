"""The pages that every page leads to, in the order of the line at the top."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

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
    Entry("campaigns.show", "Campaigns", "c"),
    Entry("failures.show", "Failures", "f"),
    Entry("latency.show", "Latency", "l"),
    Entry("status.show", "Status", "s"),
    Entry("alerts.show", "Alerts", "a"),
    Entry("workers.show", "Workers", "w"),
    Entry("pilots.show", "Pilots", "j"),
    Entry("queues.show", "Queues", "q"),
    Entry("sites.show", "Sites", "p"),
    Entry("dead.show", "Dead letters", "d"),
    Entry("operations.show", "Operations", "o"),
)


def install(app: Flask) -> None:
    """Give the templates the links, and the names of what there is to link to."""
    app.add_template_global(navigation)
    app.add_template_global(there_is)
    app.add_template_global(act_address)


def there_is(endpoint: str) -> bool:
    """Say whether this application has a page."""
    return endpoint in current_app.view_functions


def act_address(action: str, selection: Mapping[str, Any]) -> str:
    """Give the address of the form for an action; `selection` as the API takes it."""
    named = {"runs": "run", "items": "item"}
    asked: dict[str, Any] = {named.get(name, name): value for name, value in selection.items() if value}
    return url_for("act.ask", action=action, **asked)


def navigation() -> Iterator[Link]:
    """Give the links to the pages that this application has."""
    for endpoint, label, key in NAV:
        if there_is(endpoint):
            yield Link(url_for(endpoint), label, key, endpoint.partition(".")[0])
