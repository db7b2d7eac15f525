"""What of the service itself needs somebody: processes that fell silent, sites that are down, input nobody could use.

Few cheap questions, for the page that everybody looks at; what is wrong with runs is counted elsewhere.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from ..lanes import LANES
from ..schema import dead_letter, site, step_rule
from .alerts import with_alerts
from .depths import broker_silent
from .launchers import LauncherRow, launchers_and_nodes
from .need import Need
from .pilot_needs import nodes_set_aside, refused_pilots, waiting, work_needs
from .processes import ProcessRow, around
from .sites import SiteRow

MOST = 1000
LITTLE = 0.05
"""With less of its space left, a site needs somebody."""


def service_needs(conn: Connection) -> tuple[Need, ...]:
    """Say what of the service needs somebody, in the words of `status`."""
    seen = around(conn)
    launchers, nodes = launchers_and_nodes(conn)
    found = (
        *missing_daemons(seen.alive),
        *silent_broker(broker_silent(conn, seen)),
        *unused_input(open_letters(conn)),
        *_work(conn, seen.workers, launchers),
        *refused_pilots(launchers),
        *nodes_set_aside(nodes),
        *ill_sites(_sites(conn)),
    )
    return with_alerts(conn, found)


def missing_daemons(alive: Sequence[ProcessRow]) -> Iterator[Need]:
    """Name the daemons that are not among those alive."""
    conductors = [process for process in alive if process.role == "conductor"]
    if not conductors:
        sentence = "no conductor has been heard of lately: nothing changes state"
        yield Need("no-conductor", sentence, "headframe conductor")
    lanes = {lane for process in conductors for lane in process.detail.get("lanes") or LANES}
    for lane in LANES:
        if lanes and lane not in lanes:
            sentence = f"no conductor of the {lane} lane has been heard of lately"
            yield Need("no-conductor", sentence, f"headframe conductor --lanes {lane}", lane)
    if conductors and not any(process.role == "sweeper" for process in alive):
        sentence = "no sweeper has been heard of lately: what dead workers had stays with them"
        yield Need("no-sweeper", sentence, "headframe sweeper")


def silent_broker(since: datetime | None) -> Iterator[Need]:
    """Say that the broker does not answer, since then."""
    if since is not None:
        said = f"the broker has not answered since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        yield Need("broker-away", f"{said}: no work goes out and no report comes in", "headframe doctor")


def open_letters(conn: Connection) -> int:
    """Count the dead letters that nobody has dealt with, up to `MOST`."""
    some = select(dead_letter.c.id).where(dead_letter.c.cleared_at.is_(None)).limit(MOST).subquery()
    return int(conn.execute(select(func.count()).select_from(some)).scalar_one())


def unused_input(letters: int) -> Iterator[Need]:
    """Say that there are dead letters."""
    if letters:
        number = f"{letters} or more" if letters >= MOST else str(letters)
        said = "1 dead letter" if letters == 1 else f"{number} dead letters"
        yield Need("dead-letters", f"{said}: input that could not be used", "headframe get dead-letters")


def ill_sites(rows: Sequence[SiteRow], little: float = LITTLE) -> Iterator[Need]:
    """Name the sites that are down or nearly full."""
    for row in rows:
        if row.status == "down":
            yield Need("site-down", f"site {row.name} is down: {row.reason}", "headframe doctor", row.name)
        elif left := _little(row, little):
            yield Need("site-full", f"site {row.name} has {left} left", f"headframe describe site {row.name}", row.name)


def _little(row: SiteRow, little: float) -> str:
    """Say of what a site has little left: a file system without inodes takes no file, however much room it has."""
    shares = {"space": row.share_free, "inodes": row.share_inodes_free}
    return " and ".join(
        f"{100 * share:.1f}% of its {what}" for what, share in shares.items() if share is not None and share < little
    )


def _work(conn: Connection, workers: Sequence[ProcessRow], launchers: Sequence[LauncherRow]) -> Iterator[Need]:
    """Name what waits for a worker, or for a pilot."""
    steps = conn.execute(select(step_rule.c.step).group_by(step_rule.c.step).order_by(func.min(step_rule.c.rank)))
    places = [(step, lane) for step in steps.scalars() for lane in LANES if step]
    return work_needs(conn, waiting(conn, places, workers, launchers), launchers)


def _sites(conn: Connection) -> tuple[SiteRow, ...]:
    rows = conn.execute(select(site).order_by(site.c.name))
    return tuple(SiteRow(**row._mapping, copies={}, waiting={}) for row in rows)
