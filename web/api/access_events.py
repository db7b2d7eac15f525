"""Who signed in, or tried to, and who changed roles, users and tokens: for administrators."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.store.access.events import AccessEvent, EventFilter, listed_events
from ..access.identity import Role, needs
from ..context import reading
from . import asked
from .answer import Rows, rows
from .document import PREFIX, gives

blueprint = APIBlueprint("api_access_events", __name__, url_prefix=f"{PREFIX}/access-events", tag="access")


class EventsAsked(asked.Part):
    """Which events."""

    actor = asked.word("done by this person or program")
    action = asked.word("such as signed-in, refused, token-made, roles-changed")
    subject = asked.word("about this person or program")
    since = asked.moment("then or later")
    until = asked.moment("before")


@blueprint.get("")
@blueprint.input(EventsAsked, location="query")
@gives(Rows[AccessEvent], refuses=(401, 403))
@needs(Role.ADMINISTRATOR)
def index(query_data: dict[str, Any]) -> Response:
    """List what was done about access, the latest first."""
    with reading() as connection:
        listed = listed_events(connection, EventFilter(**asked.filters(query_data)), asked.page(query_data))
    return rows(listed, query_data["wanted"])
