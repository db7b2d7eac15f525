"""What pilots say of themselves, through the broker: where they run, what they have, that they drain or leave."""

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Connection

from ..piloting import OVER
from ..records import PilotWord
from .core import execute

log = structlog.get_logger("headframe.pilots")


def heard(connection: Connection, words: Sequence[PilotWord]) -> None:
    """Write down what pilots said, the newest word of each; one that is over is never brought back.

    A token that nobody intended belongs to somebody else, or to a database of before: it is only logged.
    """
    newest = {word.token: word for word in words}
    if not newest:
        return
    rows = [_row(newest[token]) for token in sorted(newest)]
    known = {row.token for row in execute(connection, "hear_pilots", rows, over=list(OVER))}
    for token in sorted(newest.keys() - known):
        log.warning("a pilot that nobody here has asked for says that it runs", token=token, job=newest[token].job)


def _row(word: PilotWord) -> dict[str, Any]:
    detail = {
        "what": word.what,
        "host": word.node,
        "cpus": word.cpus,
        "memory": word.memory,
        "workers": word.workers,
        "leaves": word.reason,
    }
    return {"token": word.token, "job": word.job, "node": word.node, "ends_at": word.ends_at, "detail": detail}
