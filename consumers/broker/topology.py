"""The names of all exchanges and queues of one instance."""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

from ...statemachine.lanes import LANES
from .base import Queue, Topology

SETTLE = "settle"
"""The step of file-system work after the fact. None of it is ever large."""


class WorkQueue(NamedTuple):
    """A queue of work; `large`: for what ran out of time or memory before."""

    name: str
    step: str
    lane: str
    large: bool


class Names:
    """Names under one `instance` prefix, so that several instances share a broker."""

    def __init__(self, instance: str) -> None:
        self.prefix = instance
        self.arrivals = f"{instance}.arrivals"
        self.dead = f"{instance}.dead"
        """Both the queue in which dead letters are parked and the exchange by which the broker sends them there."""
        self.events = f"{instance}.events"

    def work(self, step: str, lane: str, *, large: bool = False) -> str:
        """Give the work queue of a step and lane; `large`: the one for what ran out of time or memory before."""
        return f"{self.prefix}.work.{step}.{lane}{'.large' if large else ''}"

    def works(self, steps: Iterable[str]) -> Iterator[WorkQueue]:
        """Give all work queues of these steps: lane by lane, those for large work after the others."""
        for lane, large, step in product(LANES, (False, True), tuple(steps)):
            if step != SETTLE or not large:
                yield WorkQueue(self.work(step, lane, large=large), step, lane, large)

    def reports(self, lane: str) -> str:
        """Give the reports queue of a lane."""
        return f"{self.prefix}.reports.{lane}"

    def control(self, owner: str) -> str:
        """Give the control queue of one worker process."""
        return f"{self.prefix}.control.{owner}"

    def event_key(self, kind: str, state: str) -> str:
        """Give the routing key of a public event."""
        return f"run.{kind}.{state}"

    def topology(self, steps: Iterable[str]) -> Topology:
        """Give what has to be declared for these steps."""
        work = [Queue(name=each.name, limited=True) for each in self.works(steps)]
        reports = [Queue(name=self.reports(lane), single=True) for lane in LANES]
        parking = Queue(name=self.dead, exchange=self.dead, binding="#")
        return Topology(
            exchanges={self.events: "topic", self.dead: "topic"},
            queues=(*work, *reports, Queue(name=self.arrivals), parking),
            dead=self.dead,
        )


def queue_properties(queue: Queue) -> dict[str, Any]:
    """Give how a queue is declared, the same for ever: it can only be declared again exactly alike.

    So only what no policy can set is here. The delivery limit and dead-lettering are the business of policies
    (`policies`; a million where there should be no limit: see `Subscription.give_back`).
    An exclusive queue goes with its connection; `auto_delete` would take it away in a pause too.
    """
    if queue.exclusive:
        return {"durable": False, "exclusive": True}
    arguments: dict[str, Any] = {"x-queue-type": "quorum"}
    if queue.single:
        arguments["x-single-active-consumer"] = True
    return {"durable": True, "arguments": arguments}


def exchange_properties(kind: str) -> dict[str, Any]:
    """Give how an exchange is declared."""
    return {"exchange_type": kind, "durable": True}
