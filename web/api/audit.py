"""What operators did, in one list: to files and runs, and what they said of runs."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.views import AuditFilter, AuditRow
from ...statemachine.views import audit as list_audit
from ..access.identity import Role, may
from ..context import reading
from . import asked
from .answer import Rows, rows
from .document import PREFIX, gives

blueprint = APIBlueprint("api_audit", __name__, url_prefix=f"{PREFIX}/audit", tag="operations")


class AuditAsked(asked.Part):
    """Which actions."""

    actor = asked.word("by this person")
    action = asked.word("such as requeue, or close")
    since = asked.moment("done then or later")
    until = asked.moment("done before")
    run = asked.number("of this run")


@blueprint.get("")
@blueprint.input(AuditAsked, location="query")
@gives(Rows[AuditRow])
def index(query_data: dict[str, Any]) -> Response:
    """List what operators did, the latest first; to administrators also what was changed of roles and tokens."""
    where = AuditFilter(**asked.filters(query_data), access=may(Role.ADMINISTRATOR))
    with reading() as connection:
        listed = list_audit(connection, where, asked.page(query_data))
    return rows(listed, query_data["wanted"])
