"""A change that is asked for: in a dry run it is undone, and with an idempotency key it is made once."""

from collections.abc import Callable
from typing import Any

import msgspec
from flask import request
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest

from ...statemachine.store.answered import keep, recall
from ..access.identity import who
from ..context import changing

HEADER = "Idempotency-Key"
LONGEST = 200


def key() -> str | None:
    """Give the idempotency key of this request. Raises `BadRequest` for one that nobody would make."""
    said = request.headers.get(HEADER, "").strip()
    if len(said) > LONGEST or not said.isprintable():
        raise BadRequest(f"{HEADER}: up to {LONGEST} printable characters.")
    return said or None


def once(asked: dict[str, Any], change: Callable[[Connection], Any], *, dry_run: bool = False) -> Any:
    """Make a change and give its answer as plain values; sent again with its key, give the same answer.

    `asked` is what the key stands for besides the address: the body. A dry run checks its key, and keeps none.
    """
    said = key()
    with changing(dry_run=dry_run) as connection:
        if said is None or dry_run:
            return msgspec.to_builtins(change(connection))
        before = recall(connection, said, who().name, [request.path, asked])
        if before is not None:
            return before
        answer = msgspec.to_builtins(change(connection))
        keep(connection, said, answer)
        return answer
