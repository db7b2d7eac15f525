"""Every route of an application with parameters filled in, so that tests find those that others add later."""

import hashlib
import re
from typing import Any, NamedTuple

from flask import Flask
from sqlalchemy import Engine, text
from werkzeug.routing import Rule

from headframe.statemachine.roles import Role
from headframe.web.access.identity import needed, reads_only

OWN = {
    "account.signed_in", "account.sign_out", "account.make_token", "account.revoke_token", "account.end_session",
    "account.change_password",
}  # fmt: skip
"""Changes that are about oneself: nobody else's data is touched by them."""
OWN_TABLES = {"api_token", "web_session", "access_event", "web_secret"}
CHANGES = ("POST", "PUT", "PATCH", "DELETE")
EXAMPLES: dict[str, Any] = {"number": 1203, "item": 1, "epoch": 1, "id": 1, "what": "step", "lane": "live"}
BODY = {
    "reason": "a try", "action": "hold", "selection": {"items": [1]}, "what": "step", "name": "salt", "run": 1203,
    "kind": "science", "expected": 5, "sequences": [18], "text": "a try", "quality": "bad", "files": [], "status": "x",
}  # fmt: skip


class Route(NamedTuple):
    """A route by one method, at an address that exists as far as one can guess."""

    endpoint: str
    method: str
    path: str
    role: Role | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def routes(app: Flask, methods: tuple[str, ...]) -> list[Route]:
    """Give all routes by these methods."""
    return [
        Route(rule.endpoint, method, filled(app, rule), needed(app, rule.endpoint))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) & set(methods))
    ]


def changing(app: Flask) -> list[Route]:
    """Give the routes that may change something of others'."""
    return [
        route for route in routes(app, CHANGES) if route.endpoint not in OWN and not reads_only(app, route.endpoint)
    ]


def filled(app: Flask, rule: Rule) -> str:
    """Give an address of a rule."""
    values = {name: _example(name, converter) for name, converter in rule._converters.items()}
    built = rule.build(values)
    assert built is not None, rule
    return built[1]


def _example(name: str, converter: Any) -> Any:
    kind = type(converter).__name__
    if kind == "AnyConverter":
        return sorted(converter.items)[0]
    if kind in ("IntegerConverter", "FloatConverter"):
        return EXAMPLES.get(name, 1) if isinstance(EXAMPLES.get(name, 1), int) else 1
    return str(EXAMPLES.get(name, "x"))


def content(engine: Engine, leave_out: set[str] = frozenset()) -> dict[str, str]:  # type: ignore[assignment]
    """Give a digest of all rows of each table."""
    tables = text(
        "select c.relname from pg_class c where c.relnamespace = cast(current_schema() as regnamespace) "
        "and c.relkind in ('r', 'p') and not c.relispartition order by 1"
    )
    with engine.connect() as connection:
        names = [name for name in connection.execute(tables).scalars() if name not in leave_out]
        return {name: _digest(connection, name) for name in names}


def _digest(connection: Any, table: str) -> str:
    rows = connection.execute(text(f'select t::text from "{table}" t')).scalars()
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def sent_form(page: str) -> str:
    """Give the proof that a signed-in page carries for scripts."""
    found = re.search(r'<meta name="csrf-token" content="([^"]+)"', page)
    assert found is not None
    return found.group(1)
