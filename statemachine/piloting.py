"""What the launcher and the service say to each other about pilots, and what the end of a pilot means for its work.

Either may be of a later release than the other: a field that it does not know, it leaves alone.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from .records import Record

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Words = Annotated[str, msgspec.Meta(max_length=2000)]
Shown = Annotated[dict[Name, Any], msgspec.Meta(max_length=50)]
Numbers = Annotated[dict[Name, float], msgspec.Meta(max_length=50)]
Troubles = Annotated[dict[Name, Words], msgspec.Meta(max_length=200)]


class PilotStatus(StrEnum):
    """What is known of a pilot. The last two are ends.

    `intended`: written down; whether the batch system has it is not known yet. `refused`: it said no.
    """

    INTENDED = "intended"
    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"
    REFUSED = "refused"


OVER = (PilotStatus.ENDED, PilotStatus.REFUSED)

ENDS = {
    "done": "it left by itself",
    "failed": "its script failed",
    "cancelled": "it was cancelled",
    "preempted": "it was preempted",
    "walltime": "its walltime was over",
    "memory": "it ran out of memory",
    "node-failed": "its node failed",
    "refused": "the batch system refused it",
    "withdrawn": "it was not needed any more",
    "vanished": "the batch system does not know it, and it was not heard of",
}
"""Why a pilot is over: the codes, and what they say to a person."""


LOSSES = {
    "done": ("pilot-ended", "left while this was executed"),
    "cancelled": ("pilot-ended", "was cancelled"),
    "withdrawn": ("pilot-ended", "was not needed any more and was ended"),
    "preempted": ("preempted", "was preempted"),
    "walltime": ("walltime", "reached the end of its walltime"),
    "memory": ("memory", "ran out of memory"),
    "node-failed": ("node-failed", "lost its node"),
    "failed": ("lost-lease", "failed"),
    "vanished": ("lost-lease", "vanished: the batch system does not know it, and it was not heard of"),
}
"""What the end of a pilot means for what its workers executed: the code of the interrupt, and what is said of it."""
ENDED_SOMEHOW = ("lost-lease", "ended")
REQUEUED = ("lost-lease", "was requeued by the batch system, and had not said that it ends")
REQUEUED_SAYING_SO = ("pilot-ended", "was requeued by the batch system")


def loss(code: str) -> tuple[str, str]:
    """Give the code of the interrupt, and what is said of a pilot that is over, for work that was lost with it."""
    return LOSSES.get(code, ENDED_SOMEHOW)


def loss_by_requeue(code: str, *, said_so: bool) -> tuple[str, str]:
    """Give the same for a pilot whose job was requeued, and begins anew.

    It ended by that code, if it is known. If it is not, the pilot's own word decides: who is told to end says so, who
    dies says nothing. So an item that brings its node down counts, however soon the node is back.
    """
    if code in LOSSES:
        cost, became = LOSSES[code]
        return cost, f"{became}, and was requeued"
    return REQUEUED_SAYING_SO if said_so else REQUEUED


class PilotWish(Record):
    """A pilot that a launcher is about to submit. `token` is the name of its job: unique, and never used again.

    `request` is what is asked for, as people are shown it.
    """

    token: Name
    name: Name
    steps: Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)]
    large: bool = False
    request: Shown = {}


class PilotSeen(Record):
    """What a launcher has learned of a pilot. What it does not name stays as it was.

    `code` says why it is over; with more `restarts` than before, why the start before ended, if that is known.
    """

    token: Name
    status: Literal["pending", "running", "ended", "refused"]
    job: Words = ""
    node: Words = ""
    state: Words = ""
    code: Words = ""
    reason: Words = ""
    log: Words = ""
    restarts: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    usage: Numbers = {}


class Round(Record):
    """What a launcher says each interval: who it is, what it has seen change, and what stops it (by pilot name).

    `interval_s` is how often it says so (0: it does not tell), `wanted` how many pilots of each name it wants now.
    """

    host: Words = ""
    owner: Words = ""
    version: Words = ""
    back_end: Words = ""
    cluster: Words = ""
    trouble: Troubles = {}
    seen: Annotated[tuple[PilotSeen, ...], msgspec.Meta(max_length=5000)] = ()
    names: Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)] = ()
    interval_s: Annotated[float, msgspec.Meta(ge=0, le=7 * 86400)] = 0.0
    wanted: Annotated[dict[Name, Annotated[int, msgspec.Meta(ge=0, le=10**6)]], msgspec.Meta(max_length=200)] = {}


class StepDemand(Record):
    """The work of a step: what waits and may go out, what runs; how long one takes, as measured lately (0: not yet).

    `waiting` leaves out what is paused, held or not due; `large` of them ran out of time or memory before, `bulk` of
    them are in the bulk lane.
    """

    step: str
    waiting: int = 0
    large: int = 0
    bulk: int = 0
    executing: int = 0
    mean_s: float = 0.0
    p95_s: float = 0.0
    done_per_minute: float = 0.0


class LivePilot(Record):
    """A pilot of a launcher, as far as that has to know it; those that ended lately too.

    `stay`: it is one of the least that are kept, and does not leave when idle. `ends_at` is the end of its walltime.
    """

    token: str
    name: str
    status: str
    created_at: datetime
    large: bool = False
    stay: bool = False
    job: str = ""
    node: str = ""
    state: str = ""
    code: str = ""
    reason: str = ""
    restarts: int = 0
    started_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    heard_at: datetime | None = None
    told: str = ""


class Orders(Record):
    """What a launcher is told: the time, its pilots, the work by step, and which nodes are set aside, and why.

    A pilot whose `told` is `drain` or `cancel` is to be drained or cancelled.
    """

    now: datetime
    pilots: tuple[LivePilot, ...] = ()
    demand: tuple[StepDemand, ...] = ()
    set_aside: dict[str, str] = {}
