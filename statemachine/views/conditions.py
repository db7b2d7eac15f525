"""The conditions that alerts are made of: each asks few cheap questions, and stands alone where another one fails."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from ..alerting import Limits
from ..lanes import LANES
from ..schema import process, site, step_rule
from ..wording import plural
from . import flow_needs
from .counts import totals
from .depths import broker_silent
from .launchers import launchers, launchers_and_nodes
from .need import Need
from .needs import ill_sites, missing_daemons, open_letters, silent_broker, unused_input
from .pilot_needs import nodes_set_aside, refused_pilots, waiting, work_needs
from .processes import around
from .sites import SiteRow
from .status import left_out

NAMED = 5
"""So many nodes are named in an alert of all of them."""


class Condition(NamedTuple):
    """Which alerts it is about, and what asks whether they are so."""

    codes: tuple[str, ...]
    ask: Callable[[Connection, Limits], Iterable[Need]]


def daemons(conn: Connection, _: Limits) -> Iterator[Need]:
    """Name daemons that fell silent; not the sweeper, which is who asks."""
    yield from (each for each in missing_daemons(around(conn).alive) if each.code != "no-sweeper")


def watchers(conn: Connection, _: Limits) -> Iterator[Need]:
    """Say that no watcher has been heard of lately, though there was one within a week."""
    silent = func.clock_timestamp() - func.max(process.c.seen_at)
    minute, week = func.make_interval(0, 0, 0, 0, 0, 1), func.make_interval(0, 0, 0, 7)
    wanted = select(func.max(process.c.seen_at)).where(process.c.role == "watcher").having(silent.between(minute, week))
    last = conn.execute(wanted).scalar()
    if last is not None:
        sentence = f"no watcher has been heard of since {last:%Y-%m-%d %H:%M:%S} UTC: new files stay in the inbox"
        yield Need("no-watcher", sentence, "headframe watch")


def broker(conn: Connection, _: Limits) -> Iterator[Need]:
    """Say that the broker does not answer."""
    yield from silent_broker(broker_silent(conn, around(conn)))


def letters(conn: Connection, _: Limits) -> Iterator[Need]:
    """Say that there are dead letters."""
    yield from unused_input(open_letters(conn))


def failed(conn: Connection, _: Limits) -> Iterator[Need]:
    """Say that items failed for good that nobody's pipeline goes on without."""
    counts = totals(conn)
    n = sum(count.n for count in counts if count.phase == "failed" and count.scope != "replica")
    n -= left_out(conn, counts)
    if n > 0:
        sentence = f"{n:,} failed: somebody must look and requeue or abandon"
        yield Need("failed-items", sentence, "headframe get files --phase failed")


def work(conn: Connection, _: Limits) -> Iterator[Need]:
    """Name what waits for a worker or a pilot."""
    starters, workers = launchers(conn), around(conn).workers
    steps = conn.execute(select(step_rule.c.step).where(step_rule.c.step.is_not(None)).distinct()).scalars()
    places = [(step, lane) for step in sorted(map(str, steps)) for lane in LANES]
    yield from work_needs(conn, waiting(conn, places, workers, starters), starters)


def pilots(conn: Connection, _: Limits) -> Iterator[Need]:
    """Name the pilots that launchers do not get."""
    yield from refused_pilots(launchers(conn))


def nodes(conn: Connection, _: Limits) -> Iterator[Need]:
    """Say how many nodes are set aside, and name the first."""
    aside = [each.name for each in nodes_set_aside(launchers_and_nodes(conn)[1])]
    if aside:
        rest = f" and {len(aside) - NAMED} more" if len(aside) > NAMED else ""
        sentence = f"{plural(len(aside), 'node')} set aside: {', '.join(aside[:NAMED])}{rest}"
        yield Need("nodes-set-aside", sentence, "headframe status")


def down_sites(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Name the sites that are down or nearly full."""
    rows = conn.execute(select(site).order_by(site.c.name))
    found = [SiteRow(**row._mapping, copies={}, waiting={}) for row in rows]
    yield from ill_sites(found, limits.site_free_percent / 100)


CONDITIONS = (
    Condition(("no-conductor",), daemons),
    Condition(("no-watcher",), watchers),
    Condition(("broker-away",), broker),
    Condition(("dead-letters",), letters),
    Condition(("failed-items",), failed),
    Condition(("no-worker", "launcher-silent", "pilots-pending"), work),
    Condition(("pilots-refused",), pilots),
    Condition(("nodes-set-aside",), nodes),
    Condition(("site-down", "site-full"), down_sites),
    Condition(("buffer-full-soon",), flow_needs.filling_sites),
    Condition(("no-progress",), flow_needs.no_progress),
    Condition(("no-files",), flow_needs.no_files),
    Condition(("queue-old",), flow_needs.old_queues),
    Condition(("slow-files",), flow_needs.slow_files),
    Condition(("leases-expired",), flow_needs.expired_leases),
    Condition(("failures",), flow_needs.many_failures),
    Condition(("backup-old",), flow_needs.old_backup),
    Condition(("counts-behind",), flow_needs.behind),
)
"""All of them, each asked on its own."""
AT_SCRAPE = ("failed-items", "no-worker", "launcher-silent", "pilots-pending", "pilots-refused")
"""What no raw metric says: Prometheus is told what the same look finds."""


def needed_now(conn: Connection, limits: Limits, codes: Iterable[str] = AT_SCRAPE) -> Iterator[Need]:
    """Ask those of the conditions that are about these alerts."""
    wanted = set(codes)
    for condition in CONDITIONS:
        if wanted & set(condition.codes):
            yield from (each for each in condition.ask(conn, limits) if each.code in wanted)
