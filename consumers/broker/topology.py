"""The names of all exchanges and queues of one instance."""

from collections.abc import Iterable

from .base import Queue, Topology

LANES = ("live", "bulk")


class Names:
    """Names under one `instance` prefix, so that several instances share a broker."""

    def __init__(self, instance: str) -> None:
        self.prefix = instance
        self.arrivals = f"{instance}.arrivals"
        self.dead = f"{instance}.dead"
        self.events = f"{instance}.events"

    def work(self, step: str, lane: str) -> str:
        """Give the work queue of a step and lane."""
        return f"{self.prefix}.work.{step}.{lane}"

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
        work = [Queue(name=self.work(step, lane), limited=True) for step in steps for lane in LANES]
        reports = [Queue(name=self.reports(lane), single=True) for lane in LANES]
        return Topology(
            exchanges={self.events: "topic"},
            queues=(*work, *reports, Queue(name=self.arrivals), Queue(name=self.dead)),
            dead=self.dead,
        )
