"""The whole instance on one screen."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from ..lanes import LANES
from ..schema import campaign, dead_letter, settle, step_rule
from .counts import Count, totals
from .fields import View
from .processes import PauseRow, ProcessRow, around, pauses
from .queues import QueueRow, queues
from .sites import SiteRow, sites

MOST = 1000


LITTLE = 0.05
"""With less of its space left, a site needs somebody."""


class Need(View, kw_only=False):
    """Something that needs somebody: a code, a sentence, the command to begin with; which step, lane or site."""

    code: str
    sentence: str
    command: str
    name: str = ""

    def __str__(self) -> str:
        """Give the sentence."""
        return self.sentence


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
    files = _by_state(counts, "file")
    found = Status(
        at=seen.now,
        runs=_by_state(counts, "run"),
        files=files,
        failed=sum(c.n for c in counts if c.phase == "failed" and c.scope != "replica"),
        left_out=_left_out(conn, counts),
        held=sum(c.n for c in counts if c.phase == "held" and c.scope != "replica"),
        dead_letters=_some(conn, select(dead_letter.c.id).where(dead_letter.c.cleared_at.is_(None))),
        waiting_settle=_some(conn, select(settle.c.id)),
        queues=queues(conn, counts, seen.workers),
        processes=seen.alive,
        sites=sites(conn, counts=counts),
        pauses=pauses(conn),
        problems=(),
    )
    return _with_problems(found)


def _with_problems(found: Status) -> Status:
    return msgspec.structs.replace(found, problems=tuple(_problems(found)))


def _problems(found: Status) -> Iterator[Need]:
    yield from _missing_daemons(found)
    undecided = found.failed - found.left_out
    if undecided:
        sentence = f"{undecided} failed: somebody must look and requeue or abandon"
        yield Need("failed", sentence, "headframe get files --phase failed")
    if found.held:
        sentence = f"{found.held} held until somebody decides: headframe why says what on"
        yield Need("held", sentence, "headframe get files --phase held")
    if found.dead_letters:
        letters = "1 dead letter" if found.dead_letters == 1 else f"{_about(found.dead_letters)} dead letters"
        yield Need("dead-letters", f"{letters}: input that could not be used", "headframe get dead-letters")
    for queue in found.queues:
        if queue.ready + queue.submitted and not queue.workers:
            sentence = f"no worker takes step {queue.step}{_in_lane(queue, found)}, and work waits for it"
            yield Need("no-worker", sentence, "headframe worker", queue.step)
    for site in found.sites:
        if site.status == "down":
            yield Need("site-down", f"site {site.name} is down: {site.reason}", "headframe doctor", site.name)
        elif site.share_free is not None and site.share_free < LITTLE:
            sentence = f"site {site.name} has {100 * site.share_free:.1f}% of its space left"
            yield Need("site-full", sentence, f"headframe describe site {site.name}", site.name)


def _missing_daemons(found: Status) -> Iterator[Need]:
    conductors = [process for process in found.processes if process.role == "conductor"]
    if not conductors:
        sentence = "no conductor has been heard of lately: nothing changes state"
        yield Need("no-conductor", sentence, "headframe conductor")
    lanes = {lane for process in conductors for lane in process.detail.get("lanes") or LANES}
    for lane in LANES:
        if lanes and lane not in lanes:
            sentence = f"no conductor of the {lane} lane has been heard of lately"
            yield Need("no-conductor", sentence, f"headframe conductor --lanes {lane}", lane)
    if conductors and not any(process.role == "sweeper" for process in found.processes):
        sentence = "no sweeper has been heard of lately: what dead workers had stays with them"
        yield Need("no-sweeper", sentence, "headframe sweeper")


def _in_lane(queue: QueueRow, found: Status) -> str:
    others = any(other.step == queue.step and other.workers for other in found.queues)
    return f" in the {queue.lane} lane" if others else ""


def _left_out(conn: Connection, counts: Sequence[Count]) -> int:
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


def _about(n: int) -> str:
    return f"{n} or more" if n >= MOST else str(n)


def _by_state(counts: Sequence[Count], scope: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for count in counts:
        if count.scope == scope:
            phases = found.setdefault(count.state, {})
            phases[count.phase] = phases.get(count.phase, 0) + count.n
    return found


def _some(conn: Connection, wanted: object) -> int:
    limited = wanted.limit(MOST).subquery()  # type: ignore[attr-defined]
    return int(conn.execute(select(func.count()).select_from(limited)).scalar_one())
