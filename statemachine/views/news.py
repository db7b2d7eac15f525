"""What has changed since somebody last looked, for live pages: which things, not how.

Ids and times of rows cannot tell what is new, as a transaction may commit long after it wrote them. PostgreSQL can: a
snapshot names the transactions whose changes it did not see, those that were open and those yet to begin, and what
they wrote is what a later snapshot sees and this one did not. A transaction that stays open for an hour costs one more
look in the index, and nothing that commits late is missed.
"""

import re
from typing import NamedTuple

from sqlalchemy import Connection, text

from .fields import View

RESUME_S = 300.0
"""How old a place may be to go on from: the sweeper keeps changes for longer than this."""
MOST = 2000
"""So many things at once are told one by one; beyond that, everything counts as changed."""
EVERYTHING = "*"
LARGEST = 2**63 - 1
_WRITTEN = re.compile(r"(\d{1,12}\.\d{3})-(\d{1,19})-((?:\d{1,19}(?:,\d{1,19})*)?)", re.ASCII)
LONGEST = 2000


class Position(NamedTuple):
    """What was seen at a moment: all but the transactions `open` then and those from `following` on.

    `at` is the database's clock, in seconds.
    """

    at: float
    following: int
    open: tuple[int, ...] = ()

    def written(self) -> str:
        """Give it as the id of an event."""
        return f"{self.at:.3f}-{self.following}-{','.join(map(str, self.open))}"


class News(View):
    """What changed, as topics (`run:1201`, `runs`, `dead-letters`), up to a position; `*` is everything."""

    topics: frozenset[str]
    upto: Position


def position(written: str) -> Position | None:
    """Read the id of an event; none where it is not one."""
    match = _WRITTEN.fullmatch(written) if len(written) <= LONGEST else None
    if match is None or int(match[2]) > LARGEST:
        return None
    return Position(at=float(match[1]), following=int(match[2]), open=_numbers(match[3]))


def seen(at: float, snapshot: str) -> Position:
    """Make a position from what PostgreSQL writes of a snapshot: `10:20:10,14`."""
    _, following, open_ = snapshot.split(":")
    return Position(at=at, following=int(following), open=_numbers(open_))


def news(connection: Connection, after: Position | None) -> News:
    """Give what has changed since a position. Without one, or from one that is too old: everything."""
    since = after or Position(at=0, following=LARGEST)
    values = {"following": since.following, "open": list(since.open), "most": MOST + 1}
    row = connection.execute(_CHANGES, values).one()
    upto = seen(float(row.at), row.snapshot)
    lost = not 0 <= upto.at - since.at < RESUME_S or since.following > upto.following
    if lost or len(row.topics) > MOST:
        return News(topics=frozenset((EVERYTHING,)), upto=upto)
    return News(topics=frozenset(topic for pair in row.topics for topic in _told(*pair)), upto=upto)


def _told(topic: str, key: int) -> tuple[str, ...]:
    return (topic, f"{topic.removesuffix('s')}:{key}") if key else (topic,)


def _numbers(written: str) -> tuple[int, ...]:
    return tuple(number for each in written.split(",") if each and (number := int(each)) <= LARGEST)


_CHANGES = text("""
with told as (
  select distinct topic, key from change where xid >= :following or xid = any(cast(:open as bigint[]))
  limit :most
)
select cast(pg_current_snapshot() as text) as snapshot, extract(epoch from clock_timestamp()) as at,
  coalesce((select jsonb_agg(jsonb_build_array(topic,
    case when topic = 'runs' then (select number from run where id = key) else key end)) from told), '[]') as topics
""")
