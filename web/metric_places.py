"""Sites, queues, pilots, processes and runs at this moment."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from prometheus_client.core import Metric
from sqlalchemy import Connection, func, select

from ..statemachine.schema import backup, pause, pilot, process, run
from ..statemachine.views import Filling, LauncherRow, SiteRow, depths, filling, launchers, sites
from ..statemachine.views.depths import DepthRow
from ..statemachine.views.processes import SEEN, ended_with_pilot, seen_lately
from .gauges import filled, gauge

SPACE = {"bytes": {"total": "total", "free": "free"}, "inodes": {"total": "files", "free": "files_free"}}
"""What is shown of a site's space, and under which name it is kept."""


class Processes(NamedTuple):
    """Processes of one role and version: how many are alive, and for how long none was heard of, in seconds."""

    role: str
    version: str
    alive: int
    silent: float


class Around(NamedTuple):
    """What is around the machine. `looking`: a conductor lives that has had the time to look at the broker."""

    processes: list[Processes]
    sites: tuple[SiteRow, ...]
    filling: tuple[Filling, ...]
    queues: tuple[DepthRow, ...]
    looking: bool
    pilots: dict[tuple[str, str, str], int]
    launchers: tuple[LauncherRow, ...]
    nodes_set_aside: int
    runs_open: int
    last_backup: datetime | None


def look_around(conn: Connection) -> Around:
    """Read it all. What is asked of runs and pilots goes down an index of those that are open."""
    looking = (process.c.role == "conductor") & (process.c.started_at < func.clock_timestamp() - SEEN / 2)
    open_pilots = select(pilot.c.launcher, pilot.c.name, pilot.c.status, func.count().label("n"))
    open_pilots = open_pilots.where(pilot.c.ended_at.is_(None)).group_by(pilot.c.launcher, pilot.c.name, pilot.c.status)
    return Around(
        processes=_processes(conn),
        sites=sites(conn, counts=()),
        filling=filling(conn),
        queues=depths(conn),
        looking=bool(conn.execute(select(func.count()).where(looking, seen_lately())).scalar_one()),
        pilots={(row.launcher, row.name, row.status): row.n for row in conn.execute(open_pilots)},
        launchers=launchers(conn),
        nodes_set_aside=conn.execute(select(func.count()).where(pause.c.what == "node")).scalar_one(),
        runs_open=conn.execute(select(func.count()).where(run.c.closed_at.is_(None))).scalar_one(),
        last_backup=conn.execute(select(func.max(backup.c.ended_at))).scalar_one(),
    )


def _processes(conn: Connection) -> list[Processes]:
    """Count in the database: of many workers one row comes."""
    silent = func.min(func.extract("epoch", func.clock_timestamp() - process.c.seen_at))
    alive = func.count().filter(seen_lately() & ~ended_with_pilot())
    wanted = select(process.c.role, process.c.version, alive.label("alive"), silent.label("silent"))
    rows = conn.execute(wanted.group_by(process.c.role, process.c.version).order_by(process.c.role, process.c.version))
    return [Processes(row.role, row.version, row.alive, max(0.0, float(row.silent))) for row in rows]


def families(around: Around, instance: str, at: datetime) -> Iterator[Metric]:
    """Give the families."""
    yield from _of_processes(around.processes)
    yield from _of_sites(around, at)
    yield from _of_broker(around, instance)
    yield filled(gauge("pilots", "Pilots that are not over", "launcher", "name", "status"), around.pilots)
    heard = {(each.name,): max(0.0, (at - each.seen_at).total_seconds()) for each in around.launchers}
    yield filled(gauge("launcher_silence_seconds", "Since when a launcher was not heard of", "launcher"), heard)
    yield filled(
        gauge("nodes_set_aside", "Nodes that get no work until somebody releases them"), {(): around.nodes_set_aside}
    )
    yield filled(gauge("runs_open", "Runs that are not closed"), {(): around.runs_open})
    if around.last_backup is not None:
        age = max(0.0, (at - around.last_backup).total_seconds())
        yield filled(gauge("last_backup_seconds", "Since the last backup was complete"), {(): age})


def _of_processes(found: list[Processes]) -> Iterator[Metric]:
    alive: dict[tuple[str, ...], float] = {}
    silent: dict[tuple[str, ...], float] = {}
    for each in found:
        key = (each.role,)
        alive[key] = alive.get(key, 0) + each.alive
        silent[key] = min(each.silent, silent.get(key, each.silent))
    yield filled(gauge("processes", "Processes heard of within a minute", "role"), alive)
    yield filled(gauge("process_silence_seconds", "Since when no process of a role was heard of", "role"), silent)
    versions = {(each.role, each.version): each.alive for each in found if each.alive}
    yield filled(
        gauge("process_versions", "Processes heard of within a minute, by version", "role", "version"), versions
    )


def _of_sites(around: Around, at: datetime) -> Iterator[Metric]:
    for unit, kept in SPACE.items():
        values = {
            (site.name, what): float(site.space[key])
            for site in around.sites
            for what, key in kept.items()
            if key in site.space
        }
        yield filled(gauge(f"site_{unit}", f"Room at a site, in {unit}", "site", "what"), values)
    up = {(site.name,): site.status == "up" for site in around.sites}
    yield filled(gauge("site_up", "Whether a site can be used", "site"), up)
    measured = {(site.name,): (at - site.measured_at).total_seconds() for site in around.sites if site.measured_at}
    yield filled(gauge("site_measured_seconds", "Since a host looked at a site's room", "site"), measured)
    rates = {(each.site,): each.bytes_per_s for each in around.filling if each.bytes_per_s is not None}
    yield filled(
        gauge("site_filling_bytes_per_second", "How fast a site fills; less than 0: it empties", "site"), rates
    )
    left = {(each.site,): max(0.0, (each.full_at - at).total_seconds()) for each in around.filling if each.full_at}
    yield filled(gauge("site_full_seconds", "In how long a site is full if that goes on", "site"), left)


def _of_broker(around: Around, instance: str) -> Iterator[Metric]:
    """Only what was looked at lately: an old depth would look like a queue that stands still."""
    fresh = [each for each in around.queues if each.fresh]
    messages = {(_short(each.queue, instance),): each.messages for each in fresh if each.messages is not None}
    yield filled(gauge("queue_messages", "Messages that wait at the broker", "queue"), messages)
    consumers = {(_short(each.queue, instance),): each.consumers for each in fresh if each.messages is not None}
    yield filled(gauge("queue_consumers", "Consumers of a queue at the broker", "queue"), consumers)
    if around.looking or fresh:
        yield filled(gauge("broker_up", "Whether the broker answers the conductors"), {(): bool(fresh)})


def _short(queue: str, instance: str) -> str:
    return queue.removeprefix(f"{instance}.")
