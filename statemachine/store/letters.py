"""Dead messages: kept whole, so that they can be tried again exactly; asked for by operators, sent by conductors."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from blake3 import blake3
from sqlalchemy import Connection, Row, text

from ..records import Record
from .core import execute, notify
from .dead import clean
from .errors import NotFoundError, RefusedError

LARGEST = 4 * 1024 * 1024
"""Bytes of a body that are kept whole: as much as a reader takes. Of a larger one, which nobody could read, less."""
CUT = 64 * 1024
SHOWN = 4000
SENTENCE = 1000


class Letter(Record):
    """A message that could not be used, as it came. `queue` is where it was meant to be read; none if unknown.

    `same` tells which letters are one and the same (default: those with the same body). `dealt_with` says that
    nobody has to look: its items have been taken back already.
    """

    queue: str
    code: str
    sentence: str
    body: bytes
    headers: dict[str, str] = {}
    same: str = ""
    run: int | None = None
    dealt_with: bool = False


class Chosen(Record):
    """What an operator's order met: how many dead letters, how many of them it changes."""

    total: int
    changed: int


class Asked(Record):
    """A dead letter that somebody wants tried again. Without `queue` it is about a file: the watcher looks again."""

    id: int
    queue: str
    body: bytes
    headers: dict[str, str]


def keep(connection: Connection, letters: Iterable[Letter]) -> None:
    """Write letters down; one that comes again raises the count of its row, and is open again."""
    rows: dict[str, dict[str, Any]] = {}
    for letter in letters:
        row = _row(letter)
        before = rows.get(row["fingerprint"])
        rows[row["fingerprint"]] = row if before is None else {**row, "count": before["count"] + 1}
    execute(connection, "insert_letters", rows.values())


def _row(letter: Letter) -> dict[str, Any]:
    mark = blake3("\0".join(("message", letter.queue, letter.same)).encode(errors="backslashreplace"))
    if not letter.same:
        mark.update(letter.body)
    size = len(letter.body)
    return {
        "fingerprint": mark.hexdigest(16),
        "queue": line(letter.queue),
        "code": letter.code,
        "sentence": line(letter.sentence),
        "subject": line(letter.same) or f"{line(letter.queue)} {blake3(letter.body).hexdigest(8)}".strip(),
        "run_number": letter.run,
        "payload": clean(letter.body[:SHOWN].decode("utf-8", "backslashreplace")),
        "body": letter.body if size <= LARGEST else letter.body[:CUT],
        "body_size": size,
        "headers": {line(name): line(value) for name, value in letter.headers.items()},
        "count": 1,
        "dealt_with": letter.dealt_with,
    }


def line(words: str) -> str:
    """Make text one printable line of bounded length: what a stranger wrote must not steer a terminal."""
    cut = words if len(words) <= SENTENCE else f"{words[: SENTENCE - 3]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in cut)


def count(connection: Connection, ids: Sequence[int], code: str | None, *, replay: bool) -> Chosen:
    """Give how many letters are meant, and how many of them would change. Raises `NotFoundError` for a wrong number."""
    (row,) = execute(connection, "count_letters", replay=replay, **_chosen(connection, ids, code))
    return Chosen(total=row.total, changed=row.changed)


def ask_replay(connection: Connection, ids: Sequence[int], code: str | None, *, actor: str, reason: str) -> Chosen:
    """Ask the conductors to try letters again; those that cannot be are left alone. Tells the conductors."""
    chosen = count(connection, ids, code, replay=True)
    _change(connection, "ask_replay", chosen, ids, code, actor, reason)
    notify(connection, "replay")
    return chosen


def forget(connection: Connection, ids: Sequence[int], code: str | None, *, actor: str, reason: str) -> Chosen:
    """Take letters off the list: nobody has to look any more. They stay in the table."""
    chosen = count(connection, ids, code, replay=False)
    _change(connection, "forget_letters", chosen, ids, code, actor, reason)
    return chosen


def asked(connection: Connection, room: int) -> list[Asked]:
    """Give letters that are to be tried again, locked for this transaction."""
    return [_asked(row) for row in execute(connection, "asked_letters", room=room)]


def replayed(connection: Connection, ids: Iterable[int]) -> None:
    """Write down that these are on their way."""
    execute(connection, "letters_replayed", [{"id": each} for each in ids])


def unroutable(connection: Connection, ids: Iterable[int], error: str) -> None:
    """Write down that these could not be sent anywhere; they stay on the list."""
    execute(connection, "letters_unroutable", [{"id": each, "error": error} for each in ids])


def _asked(row: Row[Any]) -> Asked:
    queue = "" if row.queue == "arrivals" else row.queue
    return Asked(id=row.id, queue=queue, body=bytes(row.body or b""), headers=row.headers)


def _change(
    connection: Connection,
    statement: str,
    chosen: Chosen,
    ids: Sequence[int],
    code: str | None,
    actor: str,
    reason: str,
) -> None:
    if not reason.strip():
        raise RefusedError("an operator's action needs a reason")
    values: dict[str, Any] = {"ids": list(ids), "code": code, "actor": actor, "reason": reason}
    execute(connection, statement, **values)
    selection = msgspec.json.encode({"letters": list(ids), "code": code}).decode()
    execute(
        connection,
        "note_operation",
        actor=actor,
        action=statement,
        selection=selection,
        reason=reason,
        total=chosen.total,
        changed=chosen.changed,
    )


def _chosen(connection: Connection, ids: Sequence[int], code: str | None) -> dict[str, Any]:
    if not ids and code is None:
        raise RefusedError("nothing is selected; name dead letters by number, or all of a code")
    found = set(
        connection.execute(text("select id from dead_letter where id = any(:ids)"), {"ids": list(ids)}).scalars()
    )
    for each in ids:
        if each not in found:
            raise NotFoundError(f"there is no dead letter {each}")
    return {"ids": list(ids), "code": code}
