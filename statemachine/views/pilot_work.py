"""What pilots do: their workers, and what these execute."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from ..schema import process
from .workers import LATELY, Doing, WorkerRow, doing_of, worker_rows


def work_of_pilots(conn: Connection, tokens: Iterable[str]) -> dict[str, tuple[Doing, ...]]:
    """Give what the workers of each pilot execute, by its token."""
    wanted = sorted({token for token in tokens if token})
    if not wanted:
        return {}
    token = process.c.detail["pilot"].as_string()
    owned = select(process.c.owner, token.label("token")).where(token.in_(wanted), token != "")
    owners = {row.owner: row.token for row in conn.execute(owned)}
    found: dict[str, tuple[Doing, ...]] = {}
    for owner, doing in doing_of(conn, list(owners)).items():
        found[owners[owner]] = (*found.get(owners[owner], ()), *doing)
    return found


def workers_of_pilot(conn: Connection, token: str, most: int = 1000) -> tuple[WorkerRow, ...]:
    """Give the workers of a pilot that were heard of lately, by name."""
    own = process.c.detail["pilot"].as_string()
    lately = process.c.seen_at > func.clock_timestamp() - LATELY
    return worker_rows(conn, (own == token) & (own != "") & lately, most)
