"""What a change answers with, and how it is made: whole or not at all, undone in a dry run, once for each key."""

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Response
from sqlalchemy import Connection

from ...statemachine.views import View
from .answer import as_json
from .once import once


class Done(View):
    """What was done, or would be in a dry run: a sentence, how many things changed, where to look at them.

    `link` is the page of what was changed, below the service's own address.
    """

    done: str
    changed: int
    link: str
    dry_run: bool


def answered(asked: Any, change: Callable[[Connection], Any], *, dry_run: bool) -> Response:
    """Make a change and answer with what it gives; sent again with its idempotency key, answer the same again."""
    return as_json(once(msgspec.to_builtins(asked), change, dry_run=dry_run))
