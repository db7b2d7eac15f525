"""The whole instance on one screen."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from ..schema import campaign, settle, step_rule
from .alerts import with_alerts
from .counts import Count, standing, totals
from .depths import broker_silent
from .fields import View
from .launchers import launchers
from .need import Need
from .needs import MOST, ill_sites, missing_daemons, open_letters, silent_broker, unused_input
from .pilot_needs import nodes_set_aside, refused_pilots, waiting, work_needs
from .processes import PauseRow, ProcessRow, around, pauses
from .queues import QueueRow, queues
from .sites import SiteRow, sites


class Status(View):
    """How the instance is. `runs` and `files` count by state and then phase; `dead_letters` stops at `MOST`.

    `left_out` are those of the failed files that their runs go on without, as their pipelines say. `problems` say
    what needs somebody; there are none when all is well. `waiting_settle` counts links and clean-ups to do,
    up to `MOST`.
    """

    at: datetime
    runs: dict[str, dict[str, int]]
    files: dict[str, dict[str, int]]
    failed: int
    left_out: int
    held: int
    dead_letters: int
    waiting_settle: int
    queues: tuple[QueueRow, ...]
    processes: tuple[ProcessRow, ...]
    sites: tuple[SiteRow, ...]
    pauses: tuple[PauseRow, ...]
    problems: tuple[Need, ...]


def status(conn: Connection) -> Status:
    """Give the summary."""
    counts = totals(conn)
    seen = around(conn)
    files = standing(each for each in counts if each.scope == "file")
    found = Status(
        at=seen.now,
        runs=standing(each for each in counts if each.scope == "run"),
        files=files,
        failed=sum(c.n for c in counts if c.phase == "failed" and c.scope != "replica"),
        left_out=left_out(conn, counts),
        held=sum(c.n for c in counts if c.phase == "held" and c.scope != "replica"),
        dead_letters=open_letters(conn),
        waiting_settle=_clean_ups(conn),
        queues=queues(conn, counts, seen.workers),
        processes=seen.alive,
        sites=sites(conn, counts=counts),
        pauses=pauses(conn),
        problems=(),
    )
    problems = _problems(found, broker_silent(conn, seen), _service(conn, found, seen.workers))
    return msgspec.structs.replace(found, problems=with_alerts(conn, problems))


def _problems(found: Status, silent: datetime | None, service: Iterable[Need]) -> Iterator[Need]:
    yield from missing_daemons(found.processes)
    yield from silent_broker(silent)
    undecided = found.failed - found.left_out
    if undecided:
        sentence = f"{undecided} failed: somebody must look and requeue or abandon"
        yield Need("failed", sentence, "headframe get files --phase failed")
    if found.held:
        sentence = f"{found.held} held until somebody decides: headframe why says what on"
        yield Need("held", sentence, "headframe get files --phase held")
    yield from unused_input(found.dead_letters)
    yield from service
    yield from ill_sites(found.sites)


def _service(conn: Connection, found: Status, workers: Sequence[ProcessRow]) -> Iterator[Need]:
    """Name what work waits for, and what is wrong with launchers and nodes."""
    starters = launchers(conn)
    places = [(queue.step, queue.lane) for queue in found.queues if queue.ready + queue.submitted]
    yield from work_needs(conn, waiting(conn, places, workers, starters), starters)
    yield from refused_pilots(starters)
    yield from nodes_set_aside(found.pauses)


def left_out(conn: Connection, counts: Sequence[Count]) -> int:
    """Count the failed files in campaigns whose first step over whole runs does not wait for such."""
    failed = [count for count in counts if count.phase == "failed" and count.scope == "file"]
    if not failed:
        return 0
    first = (
        select(step_rule.c.accepts_failed)
        .where(step_rule.c.pipeline_id == campaign.c.pipeline_id, step_rule.c.scope == "run")
        .order_by(step_rule.c.rank)
        .limit(1)
        .scalar_subquery()
    )
    accepting = set(conn.execute(select(campaign.c.id).where(first)).scalars())
    return sum(count.n for count in failed if count.campaign_id in accepting)


def _clean_ups(conn: Connection) -> int:
    some = select(settle.c.id).limit(MOST).subquery()
    return int(conn.execute(select(func.count()).select_from(some)).scalar_one())
