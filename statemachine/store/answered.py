"""Answers that are kept for who sends the same change twice: the key of a change stands for it alone."""

from typing import Any

import msgspec
from blake3 import blake3
from sqlalchemy import Connection

from .core import execute
from .errors import RefusedError


class KeyTakenError(RefusedError):
    """An idempotency key stands for another change."""

    def __init__(self, key: str) -> None:
        self.members = {"code": "key-taken"}
        super().__init__(f"the idempotency key {key} stands for another change; take a new one")


def recall(connection: Connection, key: str, actor: str, request: Any) -> Any | None:
    """Give the answer that this change got before; none where it is new, and then `keep` is to be called.

    Who sends the same at the same time waits here until the first one's transaction has ended. Raises `KeyTakenError`
    where the key stands for another change, or another person's.
    """
    said = blake3(msgspec.json.encode(request, order="deterministic")).hexdigest()
    if execute(connection, "claim_answer", key=key, actor=actor, request=said):
        return None
    row = execute(connection, "earlier_answer", key=key)[0]
    if (row.actor, row.request) != (actor, said):
        raise KeyTakenError(key)
    return row.answer


def keep(connection: Connection, key: str, answer: Any) -> None:
    """Keep a new change's answer, in the transaction that makes the change."""
    execute(connection, "keep_answer", key=key, answer=msgspec.json.encode(answer).decode())


def forget(connection: Connection) -> None:
    """Drop answers after 30 days."""
    execute(connection, "forget_answered")
