"""Who I am to this instance, and what I may do."""

from datetime import datetime

from apiflask import APIBlueprint
from flask import Response

from ...statemachine.views import View
from ..access.identity import needs, who
from ..context import here
from .answer import one
from .document import PREFIX, gives

blueprint = APIBlueprint("api_me", __name__, url_prefix=f"{PREFIX}/me", tag="access")


class Me(View):
    """Who asks. `how` is session, token, issuer or nobody; `resources` are what a token may change, empty: all.

    `instance` is who answers, `timezone` its site's.
    """

    name: str
    display: str
    roles: tuple[str, ...]
    how: str
    resources: tuple[str, ...]
    expires_at: datetime | None
    instance: str
    timezone: str


@blueprint.get("")
@gives(Me, refuses=(401, 503))
@needs(None)
def show() -> Response:
    """Say who asks; nobody who has not shown who they are is nobody, with an empty name."""
    found = who()
    return one(
        Me(
            name=found.name, display=found.display, roles=tuple(sorted(found.roles)), how=found.how,
            resources=tuple(sorted(found.resources)), expires_at=found.expires_at,
            instance=here().instance, timezone=here().settings.timezone,
        )
    )  # fmt: skip
