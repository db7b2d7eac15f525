"""Why SLURM put a pilot's job back into its queue: it seldom says so, but a node that failed is down."""

from datetime import datetime

import structlog

from ...statemachine.piloting import LivePilot
from ..slurm.contract import Batch, BatchError, JobSeen
from .nodes import expanded

log = structlog.get_logger("headframe.launcher")

FAILED = {"DOWN", "FAIL", "ERROR", "NOT_RESPONDING", "NO_RESPOND"}
"""Words of a node on which nothing can have gone on."""


class Requeues:
    """Asks for the cluster's nodes when a job was requeued, once a round however many were."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._asked: datetime | None = None
        self._failed: frozenset[str] = frozenset()

    def cause(self, pilot: LivePilot, job: JobSeen, now: datetime) -> str:
        """Give the code for what became of the start before; nothing where it was not requeued, or nobody knows."""
        if job.restarts <= pilot.restarts:
            return ""
        if "PREEMPTED" in job.state or "preempt" in job.reason.lower():
            return "preempted"
        return "node-failed" if self._nodes(now).intersection(expanded(pilot.node)) else ""

    def _nodes(self, now: datetime) -> frozenset[str]:
        """Give the nodes that have failed."""
        if self._asked != now:
            self._asked, self._failed = now, frozenset()
            try:
                self._failed = frozenset(node.name for node in self._batch.nodes() if _has_failed(node.state))
            except BatchError as error:
                log.warning("why pilots were requeued cannot be asked", cause=str(error))
        return self._failed


def _has_failed(state: str) -> bool:
    return any(word.strip("*") in FAILED for word in state.upper().replace(",", "+").split("+"))
