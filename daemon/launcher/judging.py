"""What a job that the batch system shows says of its pilot."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from ...statemachine.piloting import OVER, LivePilot, PilotSeen
from ..slurm.contract import JobSeen, Standing

STATUS: dict[Standing, Literal["pending", "running", "ended"]] = {
    Standing.PENDING: "pending",
    Standing.RUNNING: "running",
    Standing.ENDED: "ended",
}
LONGEST = 2000
"""Characters of what a batch system says that are told on (`piloting.Words`)."""


def learned(pilot: LivePilot, job: JobSeen, *, log: str = "", withdrawn: bool = False) -> PilotSeen:
    """Say what a job tells of its pilot. Who was `withdrawn` and is cancelled was not needed any more."""
    code, reason = job.code, job.reason
    if withdrawn and code == "cancelled":
        code, reason = "withdrawn", "fewer pilots were needed than waited"
    ended = job.standing is Standing.ENDED
    return PilotSeen(
        token=pilot.token,
        status=_status(pilot, job),
        job=clipped(job.job),
        node=clipped(job.nodes),
        state=clipped(job.state),
        code=clipped(code or "done") if ended else "",
        reason=clipped(reason),
        log=clipped(log),
        restarts=min(max(job.restarts, 0), 2**31 - 1),
        submitted_at=_possible(job.submitted_at),
        started_at=_possible(job.started_at) if job.standing is not Standing.PENDING else None,
        ends_at=_possible(job.ends_at),
        ended_at=_possible(job.ended_at) if ended else None,
    )


def is_news(pilot: LivePilot, seen: PilotSeen) -> bool:
    """Say whether this is other than what is known of a pilot that is not over."""
    if pilot.status in OVER:
        return False
    same = pilot.status == seen.status and pilot.restarts == seen.restarts
    return not same or any(
        getattr(seen, name) and getattr(seen, name) != getattr(pilot, name)
        for name in ("job", "node", "state", "reason", "started_at")
    )


_SAID = ("job", "node", "state", "code", "reason", "restarts", "started_at", "ends_at")


def put_on(pilot: LivePilot, seen: PilotSeen, now: datetime) -> LivePilot:
    """Give a pilot as it is known with what was seen since."""
    said = {name: getattr(seen, name) for name in _SAID}
    changed = {name: value for name, value in said.items() if value}
    ended_at = (seen.ended_at or now) if seen.status in OVER else None
    return replace(pilot, status=seen.status, ended_at=ended_at, **changed)


def merged(old: PilotSeen | None, new: PilotSeen) -> PilotSeen:
    """Put what was seen later over what was seen before and is not told yet."""
    if old is None:
        return new
    if old.status in OVER and new.status not in OVER:
        return old
    said = {name: value for name in PilotSeen.__struct_fields__ if (value := getattr(new, name))}
    return replace(old, **said)


def best(jobs: Iterable[JobSeen]) -> JobSeen:
    """Give the job that counts among those of one token: one that lives before one that ended, then the first."""
    order = {Standing.RUNNING: 0, Standing.PENDING: 1, Standing.ENDED: 2}
    return min(jobs, key=lambda job: (order[job.standing], len(job.job), job.job))


def clipped(text: str) -> str:
    """Make what a batch system says fit to be told: one bad text would hold back what is told of all pilots."""
    clean = text.encode("utf-8", "replace").decode().replace("\0", "")
    return clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 3]}..."


def _possible(moment: datetime | None) -> datetime | None:
    """Leave out what is no time: SLURM has numbers for never and for not known."""
    return moment if moment is not None and 1970 < moment.year < 2200 else None


def _status(pilot: LivePilot, job: JobSeen) -> Literal["pending", "running", "ended"]:
    """Give the status; a pilot that was heard of runs, though the batch system has not said so yet."""
    late = job.standing is Standing.PENDING and pilot.status == "running" and job.restarts <= pilot.restarts
    return "running" if late else STATUS[job.standing]
