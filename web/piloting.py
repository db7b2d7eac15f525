"""How a pilot is, in words, and how much of its walltime is left."""

from datetime import UTC, datetime
from typing import NamedTuple

from ..statemachine import jobwords
from ..statemachine.piloting import ENDS, StepDemand
from ..statemachine.views import Doing, PilotRow
from ..statemachine.views.launchers import PilotBrief


class Walltime(NamedTuple):
    """How much of a pilot's walltime is over, of 100, and how many seconds are left."""

    over: float
    left_s: float


class Line(NamedTuple):
    """A pilot as its row shows it: why it waits or how it ended, its walltime, what its workers do by step.

    `ill`: it ended in a way that one should look at, or waits for somebody.
    """

    row: PilotRow
    says: str
    walltime: Walltime | None
    does: dict[str, int]
    first: Doing | None
    ill: bool


class Need(NamedTuple):
    """A step's work beside the pilots that are there for it, by how they are. `served`: it has had some lately."""

    demand: StepDemand
    served: bool
    asked: int
    pending: int
    running: int


def line(row: PilotRow, doing: tuple[Doing, ...], now: datetime | None = None) -> Line:
    """Make the line of a pilot."""
    does: dict[str, int] = {}
    for each in doing:
        does[each.step] = does.get(each.step, 0) + 1
    over = walltime(row, now or datetime.now(UTC))
    return Line(row, says(row), over, does, doing[0] if doing else None, ill(row))


def says(row: PilotRow) -> str:
    """Say why a pilot waits, or why it is over; nothing of one that runs as it should."""
    if row.status == "intended":
        return "asked for; whether the batch system has it is being found out"
    if row.status == "pending":
        return jobwords.said(row.reason) or "the batch system says no reason"
    if row.status == "running":
        return "none of its workers has been heard of yet" if row.heard_at is None else ""
    ended = ENDS.get(row.code, row.code)
    return ": ".join(each for each in (ended, row.reason) if each)


def ill(row: PilotRow) -> bool:
    """Say whether a pilot ended in a way that one should look at, or waits for somebody."""
    known = jobwords.waits(row.reason) if row.status == "pending" else None
    return row.code in ("failed", "memory", "node-failed", "refused", "vanished") or (known is not None and known.stuck)


def walltime(row: PilotRow, now: datetime) -> Walltime | None:
    """Give how a running pilot's walltime goes; none where it is not known, or it does not run."""
    if row.status != "running" or row.started_at is None or row.ends_at is None:
        return None
    whole = max(1.0, (row.ends_at - row.started_at).total_seconds())
    left = max(0.0, (row.ends_at - now).total_seconds())
    return Walltime(over=round(min(100.0, max(0.0, 100 * (1 - left / whole))), 1), left_s=left)


def beside(demand: tuple[StepDemand, ...], pilots: tuple[PilotBrief, ...]) -> list[Need]:
    """Put the steps that pilots serve beside these; before the first pilot, all in which something waits."""
    needs = [_need(step, [each for each in pilots if each.serves(step.step)]) for step in demand]
    return [each for each in needs if each.served] or [each for each in needs if each.demand.waiting]


def _need(step: StepDemand, pilots: list[PilotBrief]) -> Need:
    live = [each.status for each in pilots if not each.over]
    return Need(step, bool(pilots), live.count("intended"), live.count("pending"), live.count("running"))
