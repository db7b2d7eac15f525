"""Pilots that the batch system's list does not show. Not found is not finished: it takes a second source, or time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import isfinite

import structlog

from ...statemachine.piloting import LivePilot, PilotSeen
from ..slurm.contract import AwayError, Batch, BatchError, JobSeen, JobUsage
from .judging import best, clipped, learned

log = structlog.get_logger("headframe.launcher")

LOOKS = 20
"""So many are looked up one by one in a round; the others have their turn in the next."""


class Missing:
    """Since when each pilot is missing, and whether it was looked for.

    A pilot is looked up by its token twice: at once, and when the time of grace is over. It has vanished when both
    looks found nothing, it was in no list between them, and it was not heard of either.
    """

    def __init__(self, batch: Batch, grace_s: float) -> None:
        self._batch, self._grace = batch, timedelta(seconds=grace_s)
        self._since: dict[str, datetime] = {}
        self._looked: set[str] = set()
        self._said: dict[str, str] = {}

    def unclear(self, token: str, now: datetime, said: str) -> None:
        """Note that it is not known whether a pilot was submitted, and what was said."""
        self._since[token], self._said[token] = now, said
        self._looked.discard(token)

    def forget(self) -> None:
        """Begin anew, for the batch system did not answer: what is missing in no answer is not missing."""
        self._since.clear()
        self._looked.clear()

    def look(self, missing: Iterable[LivePilot], now: datetime, heard_now: datetime) -> list[PilotSeen]:
        """Look for pilots that the list did not show; give what is certain. `heard_now` is the service's time."""
        wanted = {pilot.token: pilot for pilot in missing}
        for kept in (self._since, self._said):
            for token in kept.keys() - wanted.keys():
                del kept[token]
        self._looked &= wanted.keys()
        try:
            found = self._accounted(wanted.values())
            for pilot in self._due(wanted, now)[:LOOKS]:
                if pilot.token not in found:
                    seen = self._looked_up(pilot, now, heard_now)
                    found.update({pilot.token: seen} if seen is not None else {})
        except AwayError as error:
            log.warning("pilots that are missing cannot be looked up", cause=str(error))
            return []
        return list(found.values())

    def _accounted(self, pilots: Iterable[LivePilot]) -> dict[str, PilotSeen]:
        """Ask accounting for all of them at once: the second source."""
        by_job = {pilot.job: pilot for pilot in pilots if pilot.job}
        if not by_job:
            return {}
        try:
            usages = self._batch.accounting(by_job)
        except AwayError:
            raise
        except BatchError as error:
            log.warning("accounting does not answer", cause=str(error))
            return {}
        known = ((by_job[each.job], each) for each in usages if each.job in by_job)
        return {pilot.token: ended(pilot, each) for pilot, each in known if is_of(each, pilot.token)}

    def _due(self, wanted: dict[str, LivePilot], now: datetime) -> list[LivePilot]:
        for token in wanted:
            self._since.setdefault(token, now)
        return [
            pilot
            for token, pilot in wanted.items()
            if token not in self._looked or now - self._since[token] >= self._grace
        ]

    def _looked_up(self, pilot: LivePilot, now: datetime, heard_now: datetime) -> PilotSeen | None:
        jobs: tuple[JobSeen, ...] = self._batch.find(pilot.token)
        if jobs:
            return learned(pilot, best(jobs))
        self._looked.add(pilot.token)
        waited = now - self._since[pilot.token] >= self._grace
        heard = pilot.heard_at is not None and heard_now - pilot.heard_at < self._grace
        if not waited or heard:
            return None
        return PilotSeen(token=pilot.token, status="ended", code="vanished", reason=self._reason(pilot), ended_at=now)

    def _reason(self, pilot: LivePilot) -> str:
        if pilot.job:
            return f"job {pilot.job} is in no list of the batch system, nor in its accounting"
        said = self._said.get(pilot.token, "")
        why = f" ({said})" if said else ""
        return clipped(f"whether it was submitted was never answered{why}, and no job of this name came to be")


def is_of(usage: JobUsage, token: str) -> bool:
    """Say whether accounting speaks of this pilot's job, and not of an earlier one with its number."""
    return usage.token in ("", token)


def ended(pilot: LivePilot, usage: JobUsage) -> PilotSeen:
    """Say what accounting tells of a job that ended."""
    return PilotSeen(
        token=pilot.token,
        status="ended",
        job=clipped(usage.job),
        state=clipped(usage.state),
        code=clipped(usage.code or "done"),
        usage=used(usage),
    )


def used(usage: JobUsage) -> dict[str, float]:
    """Give what a job used, in seconds and bytes."""
    names = ("elapsed_s", "cpu_s", "cpus", "memory_peak", "queue_s")
    values = {name: float(getattr(usage, name)) for name in names}
    return {name: value for name, value in values.items() if isfinite(value)}
