"""What of the flow needs somebody: nothing moves, files do not come, queues and latencies grow, sites fill."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, text

from ..alerting import Limits
from ..alerting.catalogue import MANY_COUNTS
from ..queries import query
from ..schema import backup
from ..wording import plural
from .detectors import detectors
from .filling import filling
from .folding import unfolded
from .latency import latency_lately
from .need import Need
from .pace import done_lately

NOW = text("select clock_timestamp()")


def no_progress(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Say that work waits, that nobody works on anything, and that no attempt has ended for long."""
    for row in conn.execute(query("standing_still"), {"s": limits.no_progress_minutes * 60}):
        where = f"work waits for step {row.step} in the {row.lane} lane since {_at(row.since)}"
        sentence = (
            f"{where}, nothing is being worked on, and no attempt has ended for {limits.no_progress_minutes:g} min"
        )
        yield Need("no-progress", sentence, "headframe status")


def no_files(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Say that the detector runs, and has done so for long, while no file arrives."""
    now: datetime = conn.execute(NOW).scalar_one()
    long_ago = now - timedelta(minutes=limits.no_files_minutes)
    running = [each for each in detectors(conn) if each.running and each.since < long_ago]
    last: datetime | None = conn.execute(query("last_file")).scalar_one() if running else None
    if running and (last is None or last < long_ago):
        since = "no file has ever arrived" if last is None else f"the last file arrived at {_at(last)}"
        said = ", ".join(f"{each.source} ({each.detail})" if each.detail else each.source for each in running)
        yield Need("no-files", f"the detector runs, says {said}, and {since}", "headframe get dead-letters")


def old_queues(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Name the steps at which live work has waited for long."""
    for row in conn.execute(query("oldest_live"), {"s": limits.queue_minutes * 60}):
        sentence = f"live work at step {row.step} has waited for {float(row.age) / 60:.0f} min"
        yield Need("queue-old", sentence, "headframe status", row.step)


def slow_files(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Say that one file in twenty takes longer than it should."""
    now: datetime = conn.execute(NOW).scalar_one()
    _, hour = latency_lately(conn, now - timedelta(days=1))
    if hour.p95 is not None and hour.p95 > limits.latency_minutes * 60:
        sentence = (
            f"of {plural(hour.n, 'file')} done in the last hour one in twenty took more than {hour.p95 / 60:.0f} min"
        )
        yield Need("slow-files", f"{sentence}, from its closing to the end", "headframe status")


def expired_leases(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Name the steps with attempts whose lease is over, and that nobody takes back."""
    for row in conn.execute(query("leases_over"), {"s": limits.leases_minutes * 60}):
        those = f"{plural(row.n, 'attempt')} at step {row.step}"
        sentence = f"{those} ended by their lease, the first at {_at(row.since)}, and nobody takes them back"
        yield Need("leases-expired", sentence, "headframe status", row.step)


def many_failures(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Name the steps at which too many of the last hour's attempts failed."""
    done = done_lately(conn)
    for step in sorted({step for step, _ in done}):
        failed = done.get((step, "failed"), 0)
        of = failed + done.get((step, "succeeded"), 0)
        if of >= limits.failures_least and 100 * failed > limits.failures_percent * of:
            sentence = f"{failed} of {of} attempts of the last hour at step {step} failed"
            yield Need("failures", sentence, "headframe failures", step)


def filling_sites(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Name the sites that will be full within hours, as they fill now."""
    now: datetime = conn.execute(NOW).scalar_one()
    for row in filling(conn):
        if row.full_at is not None and row.full_at < now + timedelta(hours=limits.buffer_hours):
            left = f"{(row.full_at - now).total_seconds() / 3600:.1f} h"
            sentence = (
                f"site {row.site} will be full in {left}, at {_at(row.full_at)}, if it goes on filling as it does"
            )
            yield Need("buffer-full-soon", sentence, f"headframe describe site {row.site}", row.site)


def old_backup(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Say that the last backup is too old; that there is none only where one was asked for."""
    now, last = conn.execute(select(func.clock_timestamp(), func.max(backup.c.ended_at))).one()
    if last is None and limits.backup_hours is not None:
        yield Need("backup-old", "no backup of the database has ever been made", "headframe backup")
    elif last is not None and last < now - timedelta(hours=limits.backup_age_hours):
        age_h = (now - last).total_seconds() / 3600
        yield Need("backup-old", f"the last backup of the database is {age_h:.0f} h old", "headframe backup")


def behind(conn: Connection, limits: Limits) -> Iterator[Need]:
    """Say that what has happened waits to be counted."""
    found = unfolded(conn)
    if found.longest_s > limits.counts_minutes * 60 or found.counts > MANY_COUNTS:
        since = f"for {found.longest_s / 60:.0f} min" if found.longest_s else "in great number"
        rows = f"{found.counts:,} changes of counts, {found.sums:,} of sums, {found.measures:,} to be measured"
        sentence = f"what has happened waits to be counted, {since}: {rows}; no sweeper gets it done"
        yield Need("counts-behind", sentence, "headframe status")


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
