"""The whole instance on one screen."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from ..lanes import LANES
from ..schema import campaign, dead_letter, settle, step_rule
from .counts import Count, totals
from .fields import View
from .processes import PauseRow, ProcessRow, pauses, processes
from .queues import QueueRow, queues
from .sites import SiteRow, sites

MOST = 1000


class Status(View):
    """How the instance is. `runs` and `files` count by state and then phase; `dead_letters` stops at `MOST`.

    `left_out` are those of the failed files that their runs go on without, as their pipelines say. `problems` are
    sentences about what needs somebody; empty when all is well. `waiting_settle` counts links and clean-ups to do,
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
    problems: tuple[str, ...]


def status(conn: Connection) -> Status:
    """Give the summary."""
    counts = totals(conn, scope=("file", "run"))
    alive = processes(conn, alive=True)
    files = _by_state(counts, "file")
    found = Status(
        at=conn.execute(select(func.clock_timestamp())).scalar_one(),
        runs=_by_state(counts, "run"),
        files=files,
        failed=sum(c.n for c in counts if c.phase == "failed"),
        left_out=_left_out(conn, counts),
        held=sum(c.n for c in counts if c.phase == "held"),
        dead_letters=_some(conn, select(dead_letter.c.id).where(dead_letter.c.cleared_at.is_(None))),
        waiting_settle=_some(conn, select(settle.c.id)),
        queues=queues(conn, counts),
        processes=alive,
        sites=sites(conn),
        pauses=pauses(conn),
        problems=(),
    )
    return _with_problems(found)


def _with_problems(found: Status) -> Status:
    return msgspec.structs.replace(found, problems=tuple(_problems(found)))


def _problems(found: Status) -> list[str]:
    lines = []
    open_work = sum(queue.ready + queue.submitted for queue in found.queues)
    conductors = [process for process in found.processes if process.role == "conductor"]
    if not conductors:
        lines.append("no conductor has been heard of lately: nothing changes state")
    lanes = {lane for process in conductors for lane in process.detail.get("lanes") or LANES}
    lines += [
        f"no conductor of the {lane} lane has been heard of lately" for lane in LANES if lanes and lane not in lanes
    ]
    undecided = found.failed - found.left_out
    if undecided:
        lines.append(f"{undecided} failed: somebody must look and requeue or abandon")
    if found.held:
        lines.append(f"{found.held} held until somebody decides: headframe why says what on")
    if found.dead_letters:
        letters = "1 dead letter" if found.dead_letters == 1 else f"{_about(found.dead_letters)} dead letters"
        lines.append(f"{letters}: input that could not be used")
    if open_work:
        idle = [queue for queue in found.queues if queue.ready + queue.submitted and not queue.workers]
        lines += [f"no worker takes step {queue.step}{_in_lane(queue, found)}, and work waits for it" for queue in idle]
    lines += [f"site {site.name} is {site.status}: {site.reason}" for site in found.sites if site.status == "down"]
    return lines


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
