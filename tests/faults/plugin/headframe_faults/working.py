"""The worker's crash points, before and after its report and its ack; its steps' process gets its own."""

import os
import socket
from types import SimpleNamespace
from typing import Any

from .orders import passing

HOST = "HEADFRAME_FAULTS_HOST"
"""The host that this worker believes to be on; at each start it is another one with this beginning."""


def wrap() -> None:
    """Put the crash points into the worker's methods."""
    from headframe.consumers.broker.rabbit_subscription import RabbitSubscription
    from headframe.consumers.worker import executor
    from headframe.consumers.worker.worker import Worker

    if HOST in os.environ:
        name = f"{os.environ[HOST]}-{os.getpid()}"
        socket.gethostname = lambda: name
    report, ack = Worker.report, RabbitSubscription.ack

    def reported(self: Any, lane: str, outcomes: Any = (), *more: Any, **named: Any) -> Any:
        results = [outcome for outcome in outcomes if outcome.trigger != "start"]
        if results:
            passing("worker before its report")
        said = report(self, lane, outcomes, *more, **named)
        if results:
            passing("worker after its report")
        return said

    def acked(self: Any, deliveries: Any) -> None:
        mine = any(".work." in each.queue for each in deliveries)
        if mine:
            passing("worker before its ack")
        ack(self, deliveries)
        if mine:
            self._io.run(_nothing(), 5.0, lambda: "")  # what was to be sent has been handed on by then
            passing("worker after its ack")

    Worker.report = reported  # type: ignore[method-assign]
    RabbitSubscription.ack = acked  # type: ignore[method-assign]
    ours = SimpleNamespace(__name__="headframe_faults.child", stand_back=executor.child_module.stand_back)
    executor.child_module = ours  # type: ignore[assignment]


async def _nothing() -> None:
    pass
