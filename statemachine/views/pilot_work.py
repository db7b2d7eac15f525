"""What the workers of pilots execute."""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from ..schema import process
from .workers import Doing, doing_of


def work_of_pilots(conn: Connection, tokens: Iterable[str]) -> dict[str, tuple[Doing, ...]]:
    """Give what the workers of each pilot execute, by its token."""
    wanted = sorted({token for token in tokens if token})
    if not wanted:
        return {}
    token = process.c.detail["pilot"].as_string()
    # The token is a pilot's name, no secret.
    owned = select(process.c.owner, token.label("token")).where(token.in_(wanted), token != "")  # nosec B105
    owners = {row.owner: row.token for row in conn.execute(owned)}
    found: dict[str, tuple[Doing, ...]] = {}
    for owner, doing in doing_of(conn, list(owners)).items():
        found[owners[owner]] = (*found.get(owners[owner], ()), *doing)
    return found
