"""What a scrape reads: kept counts, and questions that run down a short index. No question counts files."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from ..statemachine.views import done_lately, totals
from ..statemachine.views.folding import Unfolded, unfolded
from ..statemachine.views.latency import Lately, lately
from ..statemachine.views.sums import Sums, sums
from .metric_places import Around, look_around
from .orders import Place, places

DAY = timedelta(days=1)
HEAD = 100
"""How many items at the head of a queue are looked at for the oldest one."""

OLDEST = text("""
select lanes.step, lanes.lane, extract(epoch from clock_timestamp() - min(head.since)) as age
from (select distinct s.step, c.lane from campaign c join step_rule s using (pipeline_id)) lanes
cross join lateral (
  select i.since from item i
  where i.phase = 'ready' and i.step = lanes.step and i.lane = lanes.lane
    and (i.not_before is null or i.not_before <= clock_timestamp())
  order by i.priority, i.id limit :head
) head
group by lanes.step, lanes.lane
""")
DEAD = text("select code, count(*) as n from dead_letter where cleared_at is null group by code order by code")
LEASES = text("""
select step, count(*) filter (where lease_until >= clock_timestamp()) as running,
  count(*) filter (where lease_until < clock_timestamp()) as expired
from item where phase = 'executing' group by step order by step
""")


class Items(NamedTuple):
    """So many items of a scope in a state and phase; `step` and `lane` say what takes them on, empty at the end."""

    scope: str
    step: str
    lane: str
    state: str
    phase: str
    n: int


class Measures(NamedTuple):
    """One look at the instance. Ages in seconds."""

    items: list[Items]
    copies: dict[tuple[str, str, str], int]
    oldest: dict[tuple[str, str], float]
    dead: dict[str, int]
    leases: dict[str, tuple[int, int]]
    at: datetime
    day: Lately
    done: dict[tuple[str, str], int]
    unfolded: Unfolded
    sums: Sums
    places: set[Place]
    around: Around


def measure(connection: Connection) -> Measures:
    """Read all measures in the connection's one snapshot."""
    known = places(connection)
    items, copies = _counted(connection, known)
    at: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return Measures(
        items=items,
        copies=copies,
        oldest={(r.step, r.lane): float(r.age) for r in connection.execute(OLDEST, {"head": HEAD})},
        dead={r.code: r.n for r in connection.execute(DEAD)},
        leases={r.step or "": (r.running, r.expired) for r in connection.execute(LEASES)},
        at=at,
        day=lately(connection, at - DAY),
        done=done_lately(connection),
        unfolded=unfolded(connection),
        sums=sums(connection),
        places=set(known.values()),
        around=look_around(connection),
    )


def _counted(
    connection: Connection, known: dict[tuple[int, str, str], Place]
) -> tuple[list[Items], dict[tuple[str, str, str], int]]:
    items: dict[tuple[str, str, str, str, str], int] = {}
    copies: dict[tuple[str, str, str], int] = {}
    for count in totals(connection):
        if count.scope == "replica":
            at = (count.site, count.state, count.phase)
            copies[at] = copies.get(at, 0) + int(count.n)
        else:
            step, lane = known.get((count.campaign_id, count.scope, count.state), Place("", ""))
            key = (count.scope, step, lane, count.state, count.phase)
            items[key] = items.get(key, 0) + int(count.n)
    return [Items(*key, n) for key, n in sorted(items.items())], copies
